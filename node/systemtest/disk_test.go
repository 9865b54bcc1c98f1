//go:build linux

package systemtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// disk is a file system of its own, in an image, whose power can be cut.
type disk struct {
	*testing.T
	image, at string
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	dir := t.TempDir()
	d := &disk{t, filepath.Join(dir, "disk.img"), filepath.Join(dir, "disk")}
	run(t, "truncate", "-s", "512M", d.image)
	run(t, "mkfs.ext4", "-q", "-F", d.image)
	mount(t, d.image, d.at)
	return d
}

// take moves a node's directory onto the disk.
func (d *disk) take(p *place) {
	d.Helper()
	run(d.T, "mv", p.dir, d.at)
	run(d.T, "sync", "-f", d.at) // it has been there for long
	p.dir = filepath.Join(d.at, p.name)
}

// powerCut cuts the power of a node.
func (d *disk) powerCut(p *place) {
	d.Helper()
	d.cut(p.process, p.kill)
}

// cut ends a process, which end kills, and brings the disk back as it was at one
// moment: what the kernel still held in memory is gone.
func (d *disk) cut(p *process, end func()) {
	d.Helper()
	p.freeze(d.T)
	cut := d.image + ".cut"
	run(d.T, "cp", "--sparse=always", d.image, cut)
	end()
	eventually(d.T, "the end of all reading", func() error { return exec.Command("umount", d.at).Run() })
	run(d.T, "mv", cut, d.image)
	run(d.T, "mount", "-o", "loop", d.image, d.at)
}

// freeze stops a process, and returns when none of its threads can do anything
// more.
func (p *process) freeze(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process to stand still", func() error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Process.Pid))
		if err != nil {
			return err
		}
		for _, thread := range threads {
			b, err := os.ReadFile(thread)
			if err != nil {
				return err
			}
			_, state, _ := strings.Cut(string(b), ") ") // after its name
			if !strings.HasPrefix(state, "T") {
				return fmt.Errorf("a thread is in state %.1s", state)
			}
		}
		return nil
	})
}
