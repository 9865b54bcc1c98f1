//go:build linux

package systemtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
)

// opened is what `vungxa demo --json` prints.
type opened struct {
	Nodes []struct {
		Name   string `json:"name"`
		Role   string `json:"role"`
		URL    string `json:"url"`
		SignIn string `json:"sign_in"`
		PID    int    `json:"pid"`
		Dir    string `json:"dir"`
	} `json:"nodes"`
}

// startDemo starts a demonstration on free ports and waits until it is ready.
func startDemo(t *testing.T, dir string, flags ...string) (*process, opened) {
	t.Helper()
	p := spawn(t, append([]string{"demo", "--dir", dir, "--listen", "127.0.0.1:0", "--json"}, flags...)...)
	var o opened
	if err := p.tell(&o); err != nil {
		t.Fatal(err)
	}
	if len(o.Nodes) != 3 {
		t.Fatalf("%d nodes were told: %s", len(o.Nodes), p.out.String())
	}
	return p, o
}

// TestDemo goes through the life of a demonstration.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "var")
	first, o := startDemo(t, dir)
	oneObject(t, first)
	pages := o.pages(t)
	totals := sampleTotals(t, pages)
	secondCopy(t, dir)
	listen(t, pages[0])
	if code := first.stop(t, syscall.SIGINT); code != 0 {
		t.Errorf("Ctrl-C ends it with %d: %s", code, first.err.String())
	}
	atRest(t, dir)

	second, again := startDemo(t, dir)
	if after := sampleTotals(t, again.pages(t)); !maps.Equal(after, totals) {
		t.Errorf("the second start has %v; want %v as before", after, totals)
	}
	newCodes(t, o, again)
	if code := second.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM ends it with %d: %s", code, second.err.String())
	}
	takenPort(t, dir)
	atRest(t, dir)
}

// oneObject fails unless the process printed one JSON object and nothing else.
func oneObject(t *testing.T, p *process) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(p.out.String()))
	var object map[string]any
	if err := d.Decode(&object); err != nil || d.More() || p.err.String() != "" {
		t.Errorf("it printed %q and %q (%v); want one JSON object", p.out.String(), p.err.String(), err)
	}
}

// pages signs in at every node.
func (o opened) pages(t *testing.T) (pages []*page) {
	t.Helper()
	for _, n := range o.Nodes {
		p, err := signIn(n.SignIn)
		if err != nil {
			t.Fatalf("%s: %v", n.Name, err)
		}
		t.Cleanup(p.close)
		pages = append(pages, p)
	}
	return pages
}

// sampleTotals waits until all nodes have the same sample office, and counts it.
func sampleTotals(t *testing.T, pages []*page) map[string]int {
	t.Helper()
	totals := map[string]int{}
	eventually(t, "the sample office on every node", func() error {
		for _, collection := range collections {
			var all [3]int
			for i, p := range pages {
				var err error
				if all[i], err = p.total(collection, values{}); err != nil {
					return err
				}
			}
			if totals[collection] = all[0]; all[0] == 0 || all[0] != all[1] || all[1] != all[2] {
				return fmt.Errorf("the nodes have %v %s", all, collection)
			}
		}
		return nil
	})
	if totals["dossiers"] < 1500 || totals["petitions"] < 200 {
		t.Errorf("the sample office has %v; want some 2,000 dossiers and 300 petitions", totals)
	}
	return totals
}

// listen opens a page's stream of events, and leaves it open.
func listen(t *testing.T, p *page) {
	t.Helper()
	r, err := p.request("GET", "events", nil)
	if err != nil {
		t.Fatal(err)
	}
	events, err := p.http.Do(r)
	if err != nil || events.StatusCode != 200 {
		t.Fatalf("events: %v, %v", events, err)
	}
	t.Cleanup(func() { _ = events.Body.Close() })
}

func secondCopy(t *testing.T, dir string) {
	t.Helper()
	again := []string{"demo", "--dir", dir, "--listen", "127.0.0.1:0"}
	command(t, again...).says(t, 1, "Một bản khác của chương trình đang chạy trên thư mục "+dir)
	command(t, append(again, "--lang", "en")...).says(t, 1, "another copy of the program is running on the directory "+dir)
	command(t, "run", "--dir", filepath.Join(dir, "box")).says(t, 1, "Một bản khác của chương trình đang chạy")
}

// newCodes fails unless each start gives sign-ins of its own, and the old ones
// are of no use.
func newCodes(t *testing.T, before, now opened) {
	t.Helper()
	for i, n := range now.Nodes {
		_, old, _ := strings.Cut(before.Nodes[i].SignIn, "#")
		var refusal *problem
		if _, err := signIn(n.URL + "#" + old); !errors.As(err, &refusal) || refusal.Status != 401 {
			t.Errorf("%s: the code of the first start gives %v; want 401", n.Name, err)
		}
	}
}

// atRest fails if anything of a demonstration still runs: a lock is held, or the
// command line is told of a node.
func atRest(t *testing.T, dir string) {
	t.Helper()
	dirs := []string{dir}
	for _, n := range demo.Nodes {
		dirs = append(dirs, filepath.Join(dir, n.Name))
		if c, err := daemon.ReadControl(filepath.Join(dir, n.Name)); c != nil || err != nil {
			t.Errorf("%s: control.json is still there (%v)", n.Name, err)
		}
	}
	for _, d := range dirs {
		unlock, err := daemon.Lock(d)
		if err != nil {
			t.Errorf("still locked: %v", err)
			continue
		}
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
}

func takenPort(t *testing.T, dir string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	command(t, "demo", "--dir", dir, "--listen", l.Addr().String()).says(t, 1, "Cổng "+port+" đang có chương trình khác dùng")
	command(t, "demo", "--dir", dir, "--listen", l.Addr().String(), "--lang", "en").says(t, 1, "port "+port+" is taken by another program")
	command(t, "demo", "--dir", dir, "--listen", "0.0.0.0:0").says(t, 1, "cần một địa chỉ loopback")
}

// A directory that no demonstration made is left as it is.
func TestDemoSparesOthersDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "box"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "box", "ho-so.txt"), "của văn phòng")
	command(t, "demo", "--dir", dir, "--listen", "127.0.0.1:0").says(t, 1, "không phải do lệnh demo tạo")
	got, err := os.ReadFile(filepath.Join(dir, "box", "ho-so.txt"))
	if err != nil || string(got) != "của văn phòng" {
		t.Errorf("the file that was there holds %q, %v", got, err)
	}
	file := filepath.Join(dir, "box", "ho-so.txt")
	command(t, "demo", "--dir", file, "--listen", "127.0.0.1:0").says(t, 1, file)
}

// A demonstration that is killed or stopped while it is filled for the first time
// is made again; to be stopped is no error.
func TestDemoEndedInTheFirstFill(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGKILL: -1, syscall.SIGINT: 0} {
		dir := t.TempDir()
		p := spawn(t, "demo", "--dir", dir, "--listen", "127.0.0.1:0", "--json")
		eventually(t, "the box's store to grow", func() error {
			if bytesBelow(filepath.Join(dir, "box", "store")) == 0 {
				return errors.New("there is none")
			}
			return nil
		})
		if got := p.stop(t, signal); got != code || p.out.String()+p.err.String() != "" {
			t.Errorf("%v in the first fill: exit code %d, %q, %q", signal, got, p.out.String(), p.err.String())
		}
		if ready, err := demo.Ready(dir); err != nil || ready {
			t.Fatalf("ready %v, %v: %v came too late", ready, err, signal)
		}
		p, o := startDemo(t, dir)
		sampleTotals(t, o.pages(t))
		if code := p.stop(t, syscall.SIGINT); code != 0 {
			t.Errorf("it ends with %d: %s", code, p.err.String())
		}
	}
}

// bytesBelow is the size of what lies in a directory, as far as it can be seen.
func bytesBelow(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// Apart, each node is a process. Ctrl-C in front of them ends all; when one is
// killed, the others end and the parent says so; then all start again.
func TestDemoApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, o := startDemo(t, dir, "--apart")
	totals := sampleTotals(t, o.pages(t))
	for _, n := range o.Nodes {
		if n.PID == p.Process.Pid || n.PID == 0 {
			t.Errorf("%s runs in process %d", n.Name, n.PID)
		}
	}
	if err := syscall.Kill(o.Nodes[1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "word of the node that was killed", func() error {
		if said := p.err.String(); !strings.Contains(said, "Nút "+o.Nodes[1].Name+" đã dừng") {
			return errors.New(said)
		}
		return nil
	})
	for i, n := range o.Nodes { // the others go on
		if err := syscall.Kill(n.PID, 0); (i == 1) != errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s after another was killed: %v", n.Name, err)
		}
	}
	if code := p.stop(t, syscall.SIGINT); code != 0 {
		t.Errorf("Ctrl-C ends what is left with %d: %s", code, p.err.String())
	}
	gone(t, o)

	p, o = startDemo(t, dir, "--apart")
	if after := sampleTotals(t, o.pages(t)); !maps.Equal(after, totals) {
		t.Errorf("after kill -9 it has %v; want %v as before", after, totals)
	}
	if code := p.stop(t, syscall.SIGINT); code != 0 {
		t.Errorf("Ctrl-C ends it with %d: %s", code, p.err.String())
	}
	gone(t, o)
	atRest(t, dir)
}

// gone fails if a node's process is still there.
func gone(t *testing.T, o opened) {
	t.Helper()
	for _, n := range o.Nodes {
		if err := syscall.Kill(n.PID, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s: process %d is still there (%v)", n.Name, n.PID, err)
		}
	}
}
