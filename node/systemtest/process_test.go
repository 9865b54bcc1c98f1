//go:build linux

package systemtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// output is what a process says. Anyone may read it meanwhile.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is a run of the program.
type process struct {
	*exec.Cmd
	out, err output
	ended    chan struct{} // closed when it has been waited for
	peak     atomic.Int64  // the most that it had in memory so far, in bytes
}

// spawn starts the program. What still runs at the end of the test is killed.
func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	p, err := begin(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func begin(args ...string) (*process, error) { return beginWith("", args...) }

// beginWith gives the process something to read.
func beginWith(input string, args ...string) (*process, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	return start(exec.Command(path, args...), input)
}

// start starts a process that is watched.
func start(cmd *exec.Cmd, input string) (*process, error) {
	p := &process{Cmd: cmd, ended: make(chan struct{})}
	p.Stdin, p.Stdout, p.Stderr = strings.NewReader(input), &p.out, &p.err
	p.Env = append(os.Environ(), "LANG=C.UTF-8")
	// What a killed test leaves behind would hold ports and directories.
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.Wait() // ProcessState says how it ended
		close(p.ended)
	}()
	go p.watch()
	return p, nil
}

// watch follows how much memory the process has had at most, by what the kernel
// says of it now and then. Its rusage won't do: that begins with what the test
// itself had when it forked.
func (p *process) watch() {
	now := time.NewTicker(20 * time.Millisecond)
	defer now.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-now.C:
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid)) // it may be gone
		var kib int64
		if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				p.peak.Store(max(p.peak.Load(), kib<<10))
			}
		}
	}
}

// running is nil while the process runs.
func (p *process) running() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended with %v: %s", strings.Join(p.Args[1:], " "), p.ProcessState, p.err.String())
	default:
		return nil
	}
}

// tell reads the one JSON object that the process prints when it is ready.
func (p *process) tell(into any) error {
	var ended error
	err := within(patience, func() error {
		line, _, whole := strings.Cut(p.out.String(), "\n")
		if whole {
			return json.Unmarshal([]byte(line), into)
		}
		if ended = p.running(); ended != nil {
			return nil
		}
		return errors.New("it says nothing")
	})
	return errors.Join(err, ended)
}

// kill is kill -9, and returns when the process is gone.
func (p *process) kill() {
	_ = p.Process.Kill() // it may have ended: that is as good
	<-p.ended
}

// stop sends a signal and gives the exit code.
func (p *process) stop(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := p.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return p.code(t)
}

// code waits for the end and gives the exit code.
func (p *process) code(t *testing.T) int {
	t.Helper()
	eventually(t, "the end of "+strings.Join(p.Args[1:], " "), func() error {
		if p.running() == nil {
			return errors.New("it runs")
		}
		return nil
	})
	return p.ProcessState.ExitCode()
}

// memory waits for the end and gives the most that the process had in memory, in
// bytes. The kernel's own figure, maxrss, would count what the test had when it
// started the process.
func (p *process) memory(t *testing.T) (most int64) {
	t.Helper()
	eventually(t, "the end of "+strings.Join(p.Args[1:], " "), func() error {
		if p.running() != nil {
			return nil
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
		if err != nil {
			return nil // it has just ended
		}
		_, peak, _ := strings.Cut(string(b), "VmHWM:")
		var kib int64
		if _, err := fmt.Sscan(peak, &kib); err == nil {
			most = max(most, kib<<10)
		}
		return errors.New("it runs")
	})
	return most
}

// command runs the program to its end.
func command(t *testing.T, args ...string) *process {
	t.Helper()
	p := spawn(t, args...)
	p.code(t)
	return p
}

// says fails unless the process ended with a code and its words hold a sentence.
func (p *process) says(t *testing.T, code int, sentence string) {
	t.Helper()
	got := p.code(t)
	if said := p.out.String() + p.err.String(); got != code || !strings.Contains(said, sentence) {
		t.Errorf("%s: exit code %d, %q; want %d and %q", strings.Join(p.Args[1:], " "), got, said, code, sentence)
	}
}
