package hub

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt/wire"
)

// The child of a crash test proposes the segments of a log, one by one from the
// first that the store lacks, and kills itself at the n-th step.
const (
	envDir   = "VUNGXA_HUB_TEST_DIR"
	envKill  = "VUNGXA_HUB_TEST_KILL" // 0: never
	segments = 3
)

func child() int {
	if err := runChild(os.Getenv(envDir), os.Getenv(envKill)); err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("done")
	return 0
}

func runChild(dir, kill string) error {
	at, err := strconv.Atoi(kill)
	if err != nil {
		return err
	}
	steps := 0
	step := func(name string) {
		if steps++; steps == at {
			fmt.Println("killed", name)
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			panic(fmt.Sprint("still alive: ", err))
		}
	}
	store, err := openFileStore(filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	store.step = step
	c := config(dir, store)
	step("before the hub opens")
	h, err := Open(c)
	if err != nil {
		return err
	}
	step("after the hub has opened")
	ctx := context.Background()
	if err := h.Ready(ctx); err != nil {
		return err
	}
	held, _ := store.counted()
	fmt.Println("held", held)
	all := newTestLog(1).take(failing{}, segments)
	for i := held; i < segments; i++ {
		step("before a proposal")
		if _, err := h.Propose(ctx, []*wire.Segment{all[i]}); err != nil {
			return err
		}
		fmt.Println("acked", i+1)
		if i == 1 {
			step("before a snapshot")
			if err := h.Snapshot(); err != nil {
				return err
			}
		}
	}
	step("before closing")
	return h.Close()
}

// failing is a testing.TB for a process that is no test.
type failing struct{ testing.TB }

func (failing) Helper()           {}
func (failing) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// run starts a child and gives what it said.
func run(t *testing.T, dir string, kill int) (acked, held int, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envDir+"="+dir, envKill+"="+strconv.Itoa(kill))
	cmd.Stderr = os.Stderr
	out, _ := cmd.Output() // killed or not, is seen in what it said
	for scanner := bufio.NewScanner(strings.NewReader(string(out))); scanner.Scan(); {
		word, rest, _ := strings.Cut(scanner.Text(), " ")
		switch n, _ := strconv.Atoi(rest); word {
		case "acked":
			acked = n
		case "held":
			held = n
		default:
			said = scanner.Text()
		}
	}
	return acked, held, said
}

// Killed at any step, the hub has what it acknowledged, once, and goes on. Where
// the next start repeats a command, it is killed in that too.
func TestKilledAtEveryStep(t *testing.T) {
	const firstWrite = 3 // two steps of opening, then the repeated command's own
	for kill := 1; ; kill++ {
		dir := t.TempDir()
		acked, _, said := run(t, dir, kill)
		if said == "done" {
			if kill < 10 {
				t.Errorf("only %d steps: the test does too little", kill)
			}
			return
		}
		if !strings.HasPrefix(said, "killed") {
			t.Fatalf("step %d: %s", kill, said)
		}
		t.Logf("step %d: %s; %d acknowledged", kill, said, acked)
		if repeats := strings.Contains(said, "the write"); repeats {
			more, _, _ := run(t, dir, firstWrite)
			acked = max(acked, more)
		}
		if _, held, said := run(t, dir, 0); said != "done" || held < acked {
			t.Errorf("step %d: %d acknowledged, %d held after the next start; %s", kill, acked, held, said)
		}
		checkOnce(t, dir, kill)
	}
}

// checkOnce opens the store alone: all segments, each once and in order.
func checkOnce(t *testing.T, dir string, kill int) {
	t.Helper()
	store, err := openFileStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.file.Close()
	if len(store.kept) != segments {
		t.Errorf("step %d: %d segments; want %d", kill, len(store.kept), segments)
	}
	for i, s := range store.kept {
		if s.First != uint64(i+1) {
			t.Errorf("step %d: segment %d begins at seq %d", kill, i, s.First)
		}
	}
}
