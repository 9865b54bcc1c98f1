//go:build linux

package systemtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node/store"
)

var seed = flag.Uint64("seed", 1, "of what is left to chance: moments, targets, values")

// TestMain lets the test binary be the writer whose power is cut, or the copy that
// tries a suspect store, and takes the
// program away that tests have built.
func TestMain(m *testing.M) {
	if code, asked := store.Probe(); asked {
		os.Exit(code)
	}
	if dir := os.Getenv("VUNGXA_WRITER"); dir != "" {
		if err := saveForEver(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(test(m))
}

// test runs the tests with a directory for the program, and takes that away.
func test(m *testing.M) int {
	var err error
	if programDir, err = os.MkdirTemp("", "vungxa-systemtest-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := os.RemoveAll(programDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

var programDir string // set before the tests run

// program is the path of the whole program, built once, when it is first wanted.
var program = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "build", "-o", programDir, "github.com/vungxa/vungxa/node/cmd/vungxa")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(programDir, "vungxa"), nil
})

// chance is a generator for one test; the log says how to have it again.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("seed %d (-seed replays)", *seed)
	return rand.New(rand.NewPCG(*seed, 0))
}

// patience is how long anything of a test may take that is no measurement. A
// busy machine needs some of it.
const patience = 60 * time.Second

// eventually asks until holds says nothing more against it, and fails with what
// it said last.
func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	if err := within(patience, holds); err != nil {
		t.Fatalf("%s: not within %v: %v", what, patience, err)
	}
}

// inTheEnd is eventually for what takes as long as there is to do: it fails when
// for all the patience holds has said the same against it.
func inTheEnd(t *testing.T, what string, holds func() error) {
	t.Helper()
	for before := ""; ; {
		err := within(patience, holds)
		if err == nil {
			return
		}
		if err.Error() == before {
			t.Fatalf("%s: nothing moves for %v: %v", what, patience, err)
		}
		before = err.Error()
		t.Logf("%s: not within %v: %v", what, patience, err)
	}
}

func within(limit time.Duration, holds func() error) error {
	again := time.NewTicker(30 * time.Millisecond)
	defer again.Stop()
	late := time.After(limit)
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-late:
			return err
		}
	}
}
