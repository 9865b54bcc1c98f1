package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
)

func TestTongue(t *testing.T) {
	for _, c := range []struct {
		args, env string
		english   bool
	}{
		{"", "", false}, {"", "LANG=en_US.UTF-8", true}, {"", "LANG=vi_VN", false},
		{"", "LANG=vi_VN LC_ALL=en_US", true}, {"", "LANG=en_US LC_ALL=vi_VN", false}, {"", "LANG=en_US LC_MESSAGES=vi_VN", false},
		{"--lang vi", "LANG=en_US", false}, {"verify --lang=en", "", true}, {"x -- --lang en", "", false},
	} {
		env := map[string]string{}
		for _, v := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(v, "=")
			env[name] = value
		}
		if got, err := tongue(strings.Fields(c.args), func(name string) string { return env[name] }); got != c.english || err != nil {
			t.Errorf("%q with %q: English %v, %v", c.args, c.env, got, err)
		}
	}
	for _, bad := range []string{"--lang fr --help", "--help --lang=fr", "--lang="} {
		if _, err := tongue(strings.Fields(bad), func(string) string { return "" }); node.CodeOf(err) != node.Invalid {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
}

func TestNumbersByTheLanguagesHabit(t *testing.T) {
	at := time.Date(2026, 11, 23, 16, 45, 0, 0, time.Local).UnixMilli()
	for english, want := range map[bool]string{
		false: "118.398 12 1.000 -123 -1.234 2,7 MiB 1,5 GiB 3 KiB 23/11/2026 16:45\n",
		true:  "118,398 12 1,000 -123 -1,234 2.7 MiB 1.5 GiB 3 KiB 2026-11-23 16:45\n",
	} {
		var out bytes.Buffer
		c := &console{out: &out, english: english}
		c.say("%d %d %d %d %d %s %s %s %s", "%d %d %d %d %d %s %s %s %s", 118398, 12, uint64(1000), -123, -1234,
			c.bytes(27<<20/10), c.bytes(3<<29), c.bytes(2049), c.when(at))
		if out.String() != want {
			t.Errorf("%q; want %q", out.String(), want)
		}
	}
}

// A file that this user may not touch: whose it is, and as whom to run.
func TestExplainSaysWhoseTheFileIs(t *testing.T) {
	at := filepath.Join(t.TempDir(), "not-there", "lock")
	err := fmt.Errorf("lock the directory: %w", &fs.PathError{Op: "open", Path: at, Err: syscall.EACCES})
	said := explain(&console{}, err)
	if !strings.Contains(said, at+": không có quyền\n") || !strings.Contains(said, filepath.Dir(filepath.Dir(at))) || strings.Contains(said, "permission") {
		t.Errorf("%q", said)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(filepath.Dir(filepath.Dir(at)), 12345, -1); err != nil {
			t.Fatal(err)
		}
		if said := explain(&console{}, err); !strings.Contains(said, "thuộc về người dùng #12345") || !strings.Contains(said, "sudo -u #12345") {
			t.Errorf("%q", said)
		}
	}
	if said := explain(&console{}, &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}); !strings.HasPrefix(said, "/x: đĩa đã hết chỗ. Hãy giải phóng chỗ") {
		t.Errorf("%q", said)
	}
}

// Backups whose disk isn't there don't go to another one.
func TestPlaceOfBackups(t *testing.T) {
	dir := t.TempDir()
	for to, want := range map[string]node.Code{
		filepath.Join(dir, "stick", "box"): node.NotFound, filepath.Join(dir, "box"): "", dir: "",
	} {
		err := backupCmd{Dir: dir, To: to}.place(&console{})
		if got := node.CodeOf(err); (err != nil || want != "") && got != want {
			t.Errorf("%s: %v; want %q", to, err, want)
		}
	}
	if !sameDisk(dir, dir) {
		t.Error("a directory is on another disk than itself")
	}
}

// What a dump that broke has written is taken away, and what ended well stays.
func TestBrokenDumpLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		stays bool
	}{"well": {nil, true}, "with damage": {errDamage, true}, "broken": {errors.New("no"), false}} {
		out := filepath.Join(t.TempDir(), "dump")
		w, done, err := dumpCmd{Out: out}.out(&console{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(w, "someone's name")
		if err := done(c.err); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(out); (err == nil) != c.stays {
			t.Errorf("%s: the file: %v", name, err)
		}
	}
	full := dumpCmd{Out: "/stick/d"}.broken(&fs.PathError{Op: "write", Path: "/stick/d", Err: syscall.ENOSPC})
	if said := explain(&console{}, full); !strings.Contains(said, "đĩa đã hết chỗ") || strings.Contains(said, "no space") {
		t.Errorf("%q", said)
	}
}

// Restoring to a disk without room says what to do about it, not what a node that is
// full does.
func TestNoRoomToRestore(t *testing.T) {
	for _, cause := range []error{
		&fs.PathError{Op: "write", Path: "/new/keys", Err: syscall.ENOSPC},
		node.Errorf(node.ReadOnly, "Ổ đĩa sắp đầy.", "the disk is almost full"),
	} {
		if said := explain(&console{}, noRoom("/new", cause)); !strings.HasPrefix(said, "Ổ đĩa của /new không đủ chỗ để khôi phục.") || strings.Contains(said, "no space") {
			t.Errorf("%q", said)
		}
	}
}

func TestFindingsByTheirPlaces(t *testing.T) {
	for part, kind := range map[string]string{"store": "unopened", "backup": "damaged", "records": "newest commits", "certificates": "missing"} {
		head := heading(&console{}, daemon.Finding{Part: part, Kind: kind, Place: "000005"})
		if strings.Contains(head, part) || strings.Contains(head, kind) || !strings.Contains(head, "000005") {
			t.Errorf("%s %s: %q", part, kind, head)
		}
	}
}
