//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal of which the test holds the other end.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED: no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// Someone at a password prompt may go away: by Ctrl-C, or told from elsewhere. The
// terminal shows again what is typed.
func TestAPasswordPromptIsLeft(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var")
	demo := spawn(t, "demo", "--json", "--dir", dir, "--listen", "127.0.0.1:0")
	var told struct{ Nodes []struct{ URL string } }
	if err := demo.tell(&told); err != nil {
		t.Fatal(err)
	}
	if code := demo.stop(t, os.Interrupt); code != 0 {
		t.Fatal(code, demo.err.String())
	}
	box := filepath.Join(dir, "box")
	keys := func(input string, args ...string) *process {
		p, err := beginWith(input, append(args, "--dir", box, "--password-stdin")...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		return p
	}
	keys("mật khẩu dài\n", "keys", "add", "password").says(t, 0, "vungxa keys remove 1 --dir "+box)
	keys("mật khẩu dài\n", "keys", "remove", "1").says(t, 0, "mật khẩu")
	keys("ngắn\n", "verify").says(t, 1, "Mật khẩu của kho không đúng")
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for name, leave := range map[string]func(tty *os.File, p *os.Process) error{
		"Ctrl-C":  func(tty *os.File, _ *os.Process) error { _, err := tty.Write([]byte{3}); return err },
		"SIGTERM": func(_ *os.File, p *os.Process) error { return p.Signal(syscall.SIGTERM) },
	} {
		for _, args := range [][]string{{"run"}, {"verify"}, {"keys", "add", "none"}} {
			ours, theirs := terminal(t)
			var said output
			cmd := exec.Command(path, append(args, "--dir", box)...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, &said, &said
			cmd.Env = append(os.Environ(), "LANG=C.UTF-8")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			eventually(t, "the prompt", func() error {
				if !strings.Contains(said.String(), "Mật khẩu của kho: ") || echoes(t, theirs) {
					return errors.New(said.String())
				}
				return nil
			})
			if err := leave(ours, cmd.Process); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				_ = cmd.Process.Kill()
				t.Fatalf("%s: %v goes on", name, args)
			}
			if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said.String(), "chưa có gì thay đổi") || !echoes(t, theirs) {
				t.Errorf("%s: %v: exit code %d, echo %v, %q", name, args, code, echoes(t, theirs), said.String())
			}
		}
	}
}

// A person gets another sign-in link of a node that runs, learns what runs where, and
// no node outlives a demonstration that was killed.
func TestADemonstrationThatWasKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var")
	demo := spawn(t, "demo", "--apart", "--json", "--dir", dir, "--listen", "127.0.0.1:0")
	var told struct {
		Nodes []struct {
			PID    int    `json:"pid"`
			SignIn string `json:"sign_in"`
		}
	}
	if err := demo.tell(&told); err != nil || len(told.Nodes) != 3 {
		t.Fatal(err, told)
	}
	box := filepath.Join(dir, "box")
	link := command(t, "signin", "--dir", box)
	link.says(t, 0, "#code=")
	if strings.Contains(link.out.String(), told.Nodes[1].SignIn) {
		t.Error("the same link again")
	}
	command(t, "verify", "--dir", dir).says(t, 1, box)
	command(t, "run", "--dir", box).says(t, 1, fmt.Sprintf("(tiến trình %d)", told.Nodes[1].PID))
	command(t, "demo", "--dir", filepath.Join(box, "within")).says(t, 1, "là thư mục của một nút")
	demo.kill()
	eventually(t, "the end of the nodes", func() error {
		for _, n := range told.Nodes {
			if err := syscall.Kill(n.PID, 0); !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("the process %d is there: %v", n.PID, err)
			}
		}
		return nil
	})
	command(t, "signin", "--dir", box).says(t, 1, "vungxa run --dir "+box)
	again := spawn(t, "run", "--dir", box)
	eventually(t, "how to stop it", func() error {
		if !strings.Contains(again.out.String(), "Nhấn Ctrl-C để dừng.") {
			return errors.Join(errors.New(again.out.String()), again.running())
		}
		return nil
	})
	again.stop(t, os.Interrupt)
	again.says(t, 0, "Đã dừng.")
}

// A demonstration that can't begin leaves nothing behind.
func TestADemonstrationOnATakenPort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "first")
	first := spawn(t, "demo", "--json", "--dir", dir, "--listen", "127.0.0.1:0")
	var told struct{ Nodes []struct{ URL string } }
	if err := first.tell(&told); err != nil {
		t.Fatal(err)
	}
	port := strings.TrimSuffix(strings.TrimPrefix(told.Nodes[0].URL, "http://"), "/")
	second := filepath.Join(t.TempDir(), "second")
	command(t, "demo", "--dir", second, "--listen", port).says(t, 1, "")
	if _, err := os.Stat(second); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has left a directory: %v", err)
	}
}
