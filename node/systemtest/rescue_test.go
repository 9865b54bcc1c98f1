//go:build linux

package systemtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// filled is a commune that has n petitions at every node.
func filled(t *testing.T, n int) *commune {
	t.Helper()
	c := newCommune(t)
	c.run()
	for i := range n {
		if _, err := c.box.page.create("petitions", values{"NoiDung": fmt.Sprintf("Đường hỏng số %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	c.settled()
	return c
}

func total(t *testing.T, p *place) int {
	t.Helper()
	n, err := p.page.total("petitions", values{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// While a node runs on a directory, it does what is asked of it, and whatever else
// would open the directory is told.
func TestTwoProcessesOnOneDirectory(t *testing.T) {
	t.Parallel()
	c := filled(t, 3)
	to, key := filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "recovery.key")
	command(t, "--lang", "en", "backup", "--dir", c.box.dir, "--to", to, "--new-recovery", key).says(t, 0, "backup 1")
	command(t, "--lang", "en", "verify", "--dir", c.box.dir, "--backup", to, "--identity", key).says(t, 0, "Everything is as it was written")
	command(t, "--lang", "en", "dump", "--dir", c.box.dir, "--collection", "petitions").says(t, 0, "Đường hỏng số 2")
	for _, args := range [][]string{
		{"run", "--dir", c.box.dir},
		{"repair", "--dir", c.box.dir},
		{"restore", "--from", to, "--identity", key, "--dir", c.box.dir},
	} {
		command(t, append([]string{"--lang", "en"}, args...)...).says(t, 1, "another copy of the program is running")
	}
	c.stop()
	command(t, "--lang", "en", "backup", "--dir", c.box.dir, "--to", to).says(t, 0, "backup 2")
	command(t, "--lang", "en", "restore", "--from", to, "--identity", key, "--dir", c.box.dir).says(t, 1, "choose a new directory")
	command(t, "--lang", "en", "verify", "--dir", filepath.Join(c.dir, "nobody")).says(t, 1, "node.json is missing")
}

// A box burns down with what it had saved and not sent since its backup; the rest
// comes back from the backup and the province, and everyone goes on.
func TestABurntBoxIsReplacedFromItsBackup(t *testing.T) {
	t.Parallel()
	c := filled(t, 4)
	to, key := filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "recovery.key")
	command(t, "backup", "--dir", c.box.dir, "--to", to, "--new-recovery", key).says(t, 0, "")
	for i := range 3 { // the province receives these; the backup doesn't hold them
		if _, err := c.box.page.create("petitions", values{"NoiDung": fmt.Sprintf("Đèn tắt số %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	c.settled()
	c.box.kill()
	c.must(os.RemoveAll(c.box.dir))
	p := command(t, "restore", "--json", "--from", to, "--identity", key, "--dir", c.box.dir)
	p.says(t, 0, `"number":1`)
	c.run(c.box)
	if _, err := c.box.page.create("petitions", values{"NoiDung": "Sau hỏa hoạn"}); err != nil {
		t.Fatal(err)
	}
	c.settled()
	if n := total(t, c.box); n != 8 {
		t.Errorf("the box has %d petitions; want 4 of the backup, 3 of the province and a new one", n)
	}
	c.stop()
	c.sameLogs()
	for _, p := range c.places() {
		command(t, "--lang", "en", "verify", "--dir", p.dir).says(t, 0, "Everything is as it was written")
	}
}

// The province's machine burns down: restored, it begins a new hub epoch, and the
// communes send it again what its backup lacks.
func TestABurntProvinceIsReplacedFromItsBackup(t *testing.T) {
	t.Parallel()
	c := filled(t, 4)
	to, key := filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "recovery.key")
	command(t, "backup", "--dir", c.province.dir, "--to", to, "--new-recovery", key).says(t, 0, "")
	for i := range 3 {
		if _, err := c.box.page.create("petitions", values{"NoiDung": fmt.Sprintf("Đèn tắt số %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	c.settled()
	c.province.kill()
	c.must(os.RemoveAll(c.province.dir))
	command(t, "restore", "--from", to, "--identity", key, "--dir", c.province.dir).says(t, 0, "")
	c.run(c.province)
	eventually(t, "the province to have all again", func() error {
		if n, err := c.province.page.total("petitions", values{}); err != nil || n != 7 {
			return fmt.Errorf("%d petitions: %w", n, err)
		}
		return nil
	})
	if _, err := c.laptop.page.create("petitions", values{"NoiDung": "Sau hỏa hoạn"}); err != nil {
		t.Fatal(err)
	}
	c.settled()
	c.stop()
	c.sameLogs()
}

// Backups, restores and repairs are killed at random moments. An earlier backup
// stays valid, half a restore is no node, half a repair changes nothing; done again,
// each comes to its end.
func TestKilledRescue(t *testing.T) {
	t.Parallel()
	rng := chance(t)
	c := filled(t, 10)
	c.stop()
	to, key := filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "recovery.key")
	command(t, "backup", "--dir", c.box.dir, "--to", to, "--new-recovery", key).says(t, 0, "")
	killed := 0
	die := func(args ...string) {
		p, err := begin(args...)
		c.must(err)
		pause(rng, 500*time.Millisecond)
		if p.running() == nil {
			killed++
		}
		p.kill()
	}
	for range *kills / 3 {
		die("backup", "--dir", c.box.dir, "--to", to)
		command(t, "--lang", "en", "verify", "--backup", to, "--identity", key).says(t, 0, "Everything is as it was written")

		fresh := filepath.Join(t.TempDir(), "new")
		die("restore", "--from", to, "--identity", key, "--dir", fresh)
		if _, err := os.Stat(filepath.Join(fresh, "node.json")); err != nil {
			command(t, "restore", "--from", to, "--identity", key, "--dir", fresh).says(t, 0, "")
		}
		command(t, "--lang", "en", "verify", "--dir", fresh).says(t, 0, "Everything is as it was written")

		die("repair", "--dir", fresh, "--from", to)
		command(t, "--lang", "en", "verify", "--dir", fresh).says(t, 0, "Everything is as it was written")
		command(t, "--lang", "en", "repair", "--dir", fresh).says(t, 0, "The old store lies in")
		c.has(fresh, 10)
	}
	t.Logf("%d of %d were killed before their end", killed, *kills/3*3)
}

// has counts the petitions in a directory at rest.
func (c *commune) has(dir string, n int) {
	c.t.Helper()
	p := command(c.t, "dump", "--dir", dir, "--collection", "petitions")
	if got := strings.Count(p.out.String(), "\n"); got != n {
		c.t.Errorf("%d petitions; want %d: %s", got, n, p.err.String())
	}
}

// A full disk ends a backup with a sentence. The earlier backup is whole, and on a
// larger disk the next try goes on where this one was.
func TestBackupToAFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED a full backup disk: mounting a small tmpfs needs root")
	}
	at := filepath.Join(t.TempDir(), "stick")
	c := newCommune(t)
	c.must(os.Mkdir(at, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", at).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED a full backup disk: this machine mounts no tmpfs: %s", out)
	}
	t.Cleanup(func() { run(t, "umount", at) })
	c.run(c.box)
	to := filepath.Join(at, "backups")
	command(t, "backup", "--dir", c.box.dir, "--to", to).says(t, 0, "")
	h := newHand(t, c.box)
	c.must(h.importFile(h.write(1)))
	rng := chance(t)
	for range 80 {
		_, err := c.box.page.create("petitions", values{"NoiDung": unpackable(rng, 3_900)})
		c.must(err)
	}
	command(t, "--lang", "en", "backup", "--dir", c.box.dir, "--to", to).says(t, 1, "disk of the backup is full")
	c.stop(c.box)
	command(t, "--lang", "en", "verify", "--dir", c.box.dir, "--backup", to).says(t, 0, "1 backups")
	run(t, "mount", "-o", "remount,size=64M", at)
	p := command(t, "backup", "--json", "--dir", c.box.dir, "--to", to)
	var report struct {
		Number, Parts int
		PartsLeft     int `json:"parts_left"`
	}
	if err := json.Unmarshal([]byte(p.out.String()), &report); err != nil || report.Number != 2 || report.PartsLeft == 0 {
		t.Errorf("%+v, %v: %s", report, err, p.err.String())
	}
	command(t, "--lang", "en", "verify", "--dir", c.box.dir, "--backup", to).says(t, 0, "2 backups")
}

// unpackable is text that packs badly.
func unpackable(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[rng.IntN(62)]
	}
	return string(b)
}
