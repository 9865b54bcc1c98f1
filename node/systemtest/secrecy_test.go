//go:build linux

package systemtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node/store/keyring"
)

// Words that are nowhere but in what is saved. Searching is by words without their
// marks, so one has none.
const (
	byHand   = "zqhandwrittenword"
	changed  = "zqchangedlateronword"
	imported = "zqimportedfromafile"
	accented = "Nguyễn Thị Zqxướng"
)

// TestNothingSavedIsReadable is attack 4: whoever takes the disk searches every file
// of every node for what he knows was saved: while they run, after a kill, after an
// orderly end.
func TestNothingSavedIsReadable(t *testing.T) {
	t.Parallel()
	c, d := newCommune(t), newDesk(t)
	file := d.file("known.csv", head+"1,"+imported+" "+accented+",01/03/2025 08:00\n")
	d.into(c.laptop, file).says(t, 0, "")
	c.run()
	r, err := c.box.page.create("petitions", values{"NoiDung": byHand + " " + accented})
	c.must(err)
	_, err = c.box.page.change("petitions", r, values{"NoiDung": changed + " " + accented})
	c.must(err)
	c.settled()
	n, err := c.province.page.total("petitions", values{"text": imported})
	if err != nil || n != 1 {
		t.Fatalf("the province finds %d imported petitions, %v; want 1", n, err)
	}
	c.unreadable("running")
	c.province.kill()
	c.box.kill()
	c.unreadable("killed")
	c.run(c.province, c.box)
	c.settled()
	c.stop()
	c.unreadable("stopped")
	if found := readable(t, d.dir); len(found) == 0 {
		t.Error("the search doesn't find the words where they lie open")
	}
}

// unreadable fails where any file shows a word.
func (c *commune) unreadable(when string) {
	c.t.Helper()
	for _, p := range c.places() {
		for _, found := range readable(c.t, p.dir) {
			c.t.Errorf("%s, %s: %s", p.name, when, found)
		}
	}
}

// readable gives the files below a directory that show a word, in any case, or a
// private key.
func readable(t *testing.T, dir string) (found []string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil // gone since, while the node runs
		}
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		files++
		lower := bytes.ToLower(b)
		for _, word := range []string{byHand, changed, imported, accented, "nguyen thi zqxuong", "zqxuong", "private key"} {
			if bytes.Contains(lower, []byte(strings.ToLower(word))) {
				found = append(found, fmt.Sprintf("%s shows %q", path, word))
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files read in %s: %v", files, dir, err)
	}
	return found
}

// TestKeysOfANode locks a box with a password and with a key file, and opens it.
func TestKeysOfANode(t *testing.T) {
	t.Parallel()
	c := newCommune(t)
	dir, stick := c.box.dir, filepath.Join(t.TempDir(), "stick", "key")
	keys := func(input string, args ...string) *process {
		t.Helper()
		p, err := beginWith(input, append([]string{"keys", "--lang", "en"}, append(args, "--dir", dir)...)...)
		c.must(err)
		t.Cleanup(p.kill)
		return p
	}
	keys("", "list").says(t, 0, "whoever takes the disk can open")
	keys("", "add", "key-file", "--new-key-file", filepath.Join(dir, "key")).says(t, 1, "protects nothing")
	keys("", "add", "key-file", "--new-key-file", stick).says(t, 0, "key file kept elsewhere")
	keys("the first password\n", "add", "password", "--password-stdin").says(t, 0, "password")
	keys("", "remove", "1").says(t, 0, "kept elsewhere")
	command(t, "run", "--lang", "en", "--dir", dir).says(t, 1, "opens with a password")
	run := func(input string, args ...string) *process {
		t.Helper()
		p, err := beginWith(input, append([]string{"run", "--lang", "en", "--json", "--dir", dir}, args...)...)
		c.must(err)
		t.Cleanup(p.kill)
		return p
	}
	run("another password\n", "--password-stdin").says(t, 1, "password is wrong")
	keys("the first password\nthe second password\n", "password", "--password-stdin").says(t, 0, "password")
	run("the first password\n", "--password-stdin").says(t, 1, "password is wrong")
	var opened struct{ Protection string }
	p := run("the second password\n", "--password-stdin")
	c.must(p.tell(&opened))
	if opened.Protection != string(keyring.ClassKeyFile) {
		t.Errorf("protection %q; want that of the weakest slot, the key file", opened.Protection)
	}
	keys("", "remove", "2", "--key-file", stick).says(t, 0, "A password opens the store")
	if code := p.stop(t, os.Interrupt); code != 0 {
		t.Errorf("ended with %d: %s", code, p.err.String())
	}
	run("", "--key-file", stick).says(t, 1, "opens with a password")
	keys("", "rotate").says(t, 1, "opens with a password")
	keys("the second password\n", "rotate", "--password-stdin").says(t, 0, "A password opens the store")
	damaged := filepath.Join(dir, keyring.FileName)
	c.must(os.Truncate(damaged, 100))
	p = run("the second password\n", "--password-stdin")
	c.must(p.tell(&opened))
	p.kill()
	if info, err := os.Stat(damaged); err != nil || info.Size() != 512 {
		t.Errorf("the key file was not mended from its copy: %v, %v", info, err)
	}
	c.must(errors.Join(os.Truncate(damaged, 100), os.Truncate(filepath.Join(dir, keyring.CopyName), 100)))
	run("the second password\n", "--password-stdin").says(t, 1, "both copies of the key file")
	c.must(errors.Join(os.Remove(damaged), os.Remove(filepath.Join(dir, keyring.CopyName))))
	run("", "--key-file", stick).says(t, 1, "there is no key file")
}

// TestMemoryStaysOffTheDisk holds that a node's memory is written nowhere: neither
// dumped when it crashes nor handed out over HTTP.
func TestMemoryStaysOffTheDisk(t *testing.T) {
	t.Parallel()
	c := newCommune(t)
	c.run(c.box)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.box.process.Process.Pid))
	c.must(err)
	for line := range strings.Lines(string(limits)) {
		if words := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (words[4] != "0" || words[5] != "0") {
			t.Errorf("core dumps are on: %s", line)
		}
	}
	// What /proc tells of a process that can't be dumped belongs to root.
	if os.Getuid() != 0 {
		if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.box.process.Process.Pid)); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("another process of the user reads the node's environment: %v", err)
		}
	}
	for _, path := range []string{"debug/pprof/", "debug/pprof/heap", "debug/vars"} {
		answer, err := c.box.page.http.Get(c.box.page.url + path)
		c.must(err)
		c.must(answer.Body.Close())
		if answer.StatusCode == http.StatusOK && !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s answers %d, %s", path, answer.StatusCode, answer.Header.Get("Content-Type"))
		}
	}
}
