package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// The child of a crash test changes slots and kills itself at the n-th step.
const (
	envDir  = "VUNGXA_KEYRING_TEST_DIR"
	envKill = "VUNGXA_KEYRING_TEST_KILL"
	envDo   = "VUNGXA_KEYRING_TEST_DO"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		if err := changeAndDie(dir, os.Getenv(envDo)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// testSecrets are the same in parent and child.
func testSecret(kind Kind, n byte) Secret { return Secret{Kind: kind, key: [KeySize]byte{n}} }

var changes = map[string]func(*Ring) error{
	"add":     func(r *Ring) error { _, err := r.Add(testSecret(Environment, 9), ""); return err },
	"remove":  func(r *Ring) error { return r.Remove(2) },
	"replace": func(r *Ring) error { return r.Replace(2, testSecret(KeyFile, 9)) },
	"begin":   func(r *Ring) error { _, err := r.Begin(testSecret(KeyFile, 1), testSecret(KeyFile, 2)); return err },
}

func changeAndDie(dir, do string) error {
	at, err := strconv.Atoi(os.Getenv(envKill))
	if err != nil {
		return err
	}
	r, err := Open(dir, rand.Reader, testSecret(KeyFile, 1))
	if err != nil {
		return err
	}
	steps := 0
	step = func(string) {
		if steps++; steps == at {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			panic(fmt.Sprint("still alive: ", err))
		}
	}
	return changes[do](r)
}

// Killed at any step of any change, the file opens, with the old slots or the new.
func TestKilledInEveryChange(t *testing.T) {
	for do := range changes {
		for kill := 1; ; kill++ {
			dir := t.TempDir()
			r := must(Create(dir, testSecret(KeyFile, 1), "", rand.Reader))
			must(r.Add(testSecret(KeyFile, 2), ""))
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), envDir+"="+dir, envKill+"="+strconv.Itoa(kill), envDo+"="+do)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 1) {
				t.Fatalf("%s: %v: %s", do, err, out)
			}
			got, openErr := Open(dir, rand.Reader, testSecret(KeyFile, 1))
			if openErr != nil || got.Keys() != r.Keys() {
				t.Fatalf("%s, killed at step %d: %v", do, kill, openErr)
			}
			if p := must(Read(dir)); p.Damaged {
				t.Errorf("%s, killed at step %d: not healed: %+v", do, kill, p)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*.new-*")); len(left) > 0 {
				t.Errorf("%s, killed at step %d: %v is left", do, kill, left)
			}
			if err == nil {
				if kill < 4 {
					t.Errorf("%s has only %d steps", do, kill-1)
				}
				break
			}
		}
	}
}

// Every state that a crash can leave on the disk, byte by byte of what was being
// written: either file old or new, beside them any part of the next.
func TestEveryTornWrite(t *testing.T) {
	dir := t.TempDir()
	r := must(Create(dir, testSecret(KeyFile, 1), "", rand.Reader))
	before := must(os.ReadFile(filepath.Join(dir, FileName)))
	must(r.Add(testSecret(Environment, 2), ""))
	after := must(os.ReadFile(filepath.Join(dir, FileName)))
	for cut := 0; cut <= len(after); cut += 37 {
		for _, state := range [][2][]byte{{before, before}, {after, before}, {after, after}} {
			at := t.TempDir()
			err := errors.Join(
				os.WriteFile(filepath.Join(at, FileName), state[0], 0o600),
				os.WriteFile(filepath.Join(at, CopyName), state[1], 0o600),
				os.WriteFile(filepath.Join(at, FileName+".new-1"), after[:cut], 0o600),
				os.WriteFile(filepath.Join(at, CopyName+".new-2"), after[:cut], 0o600))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Open(at, rand.Reader, testSecret(KeyFile, 1))
			if err != nil || got.Keys() != r.Keys() {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			main, second := must(os.ReadFile(filepath.Join(at, FileName))), must(os.ReadFile(filepath.Join(at, CopyName)))
			if !bytes.Equal(main, state[0]) || !bytes.Equal(second, main) {
				t.Fatalf("cut at %d: the copies don't say what the first one decided", cut)
			}
		}
	}
}
