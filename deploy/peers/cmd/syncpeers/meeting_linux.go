package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vungxa/vungxa/sync/linetest"
	"github.com/vungxa/vungxa/sync/linetest/line"
)

// meeting is a box at one end of an emulated line and a province at the other.
type meeting struct {
	options
	peer, name string
	shape      line.Both
	line       *linetest.Emulator
	box        *process
	province   *process
	measured   uint64 // so far: each measurement has losses of its own
}

const port = "8703"

// with does something with two fresh ends and a line.
func (m *meeting) with(ctx context.Context, do func(context.Context) error) (err error) {
	dir, err := os.MkdirTemp(m.dir, "syncpeers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if m.line, err = linetest.New(time.Now); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.line.Close()) }()
	for _, end := range []struct {
		role string
		at   *linetest.End
		to   **process
	}{{"province", m.line.B, &m.province}, {"box", m.line.A, &m.box}} {
		if err := end.at.Do(m.congest); err != nil {
			return err
		}
		own := filepath.Join(dir, end.role)
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		script := filepath.Join(m.ends, "end.mjs")
		p, err := start(ctx, append(end.at.Wrap(), "node", script, m.peer, end.role, m.line.B.Address, port, own, m.work))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.stop()) }()
		*end.to = p
		if _, err := p.ask("ready"); err != nil {
			return err
		}
	}
	return do(ctx)
}

// congest sets the congestion control of the namespace that it runs in.
func (m *meeting) congest() error {
	err := os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte(m.congestion), 0)
	if err != nil {
		return fmt.Errorf("this kernel has no congestion control %q (-congestion cubic is everywhere): %w", m.congestion, err)
	}
	return nil
}

// small measures what is small: two ends that have nothing at first.
func (m *meeting) small(ctx context.Context) error {
	if err := m.meet(ctx, "first_meeting"); err != nil {
		return err
	}
	m.line.Shape(line.Both{}, 0)
	// Twice: what was pushed by the first, PouchDB is told of by the second.
	if err := m.box.all("part", "load changed", "meet", "part", "meet", "part"); err != nil {
		return err
	}
	if err := m.meet(ctx, "idle_cold"); err != nil {
		return err
	}
	if err := m.box.all("part", "stand"); err != nil {
		return err
	}
	if err := m.minute(ctx); err != nil {
		return err
	}
	if err := m.cost(ctx, "one_edit", "edit 0 1", "arrived"); err != nil {
		return err
	}
	if err := m.box.all("part", "edit 1 300"); err != nil {
		return err
	}
	if err := m.meet(ctx, "300_saves"); err != nil {
		return err
	}
	return m.check("changed", 301)
}

// first measures the first exchange of many records.
func (m *meeting) first(ctx context.Context) error {
	if err := m.box.all("load first"); err != nil {
		return err
	}
	what := "first_records"
	ctx, stop := context.WithTimeout(ctx, m.limit)
	defer stop()
	err := m.meet(ctx, what)
	if errors.Is(err, context.DeadlineExceeded) {
		up, down := m.line.Counts()
		m.tell(what, "given_up_after", m.limit.Seconds(), "s")
		m.tell(what, "bytes_until_then", float64(up.Bytes+down.Bytes), "B")
		return nil
	}
	if err != nil {
		return err
	}
	return m.check("first", 0)
}

// check fails unless both ends hold what they should.
func (m *meeting) check(field string, edits int) error {
	want, err := m.box.ask(fmt.Sprintf("wanted %s %d", field, edits))
	if err != nil {
		return err
	}
	for role, p := range map[string]*process{"box": m.box, "province": m.province} {
		if got, err := p.ask("digest"); err != nil || got != want {
			return fmt.Errorf("the %s holds %s; want %s: %w", role, got, want, err)
		}
	}
	return nil
}

// minute measures a minute of a connection on which nothing is to be said.
func (m *meeting) minute(ctx context.Context) error {
	if m.name == ruler {
		return nil
	}
	if err := m.quiet(ctx); err != nil {
		return err
	}
	m.reshape()
	began := time.Now()
	up, down := m.line.Counts()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
	}
	m.costs("idle_resumed", up, down, time.Since(began))
	return nil
}

// meet lets two that have parted meet, and measures that.
func (m *meeting) meet(ctx context.Context, what string) error { return m.cost(ctx, what, "meet") }

// cost tells what something costs until the box says that it is done and nothing more
// is said.
func (m *meeting) cost(ctx context.Context, what string, words ...string) error {
	if err := m.quiet(ctx); err != nil {
		return err
	}
	m.reshape()
	began := time.Now()
	up, down := m.line.Counts()
	done := make(chan error, 1)
	go func() { done <- m.box.all(words...) }()
	select {
	case <-ctx.Done():
		return ctx.Err() // the ends are ended, and with them who waits for their answer
	case err := <-done:
		if err != nil {
			return err
		}
	}
	took := time.Since(began)
	if err := m.quiet(ctx); err != nil {
		return err
	}
	m.costs(what, up, down, took)
	return nil
}

func (m *meeting) reshape() {
	m.measured++
	m.line.Shape(m.shape, m.seed<<16+m.measured)
}

func (m *meeting) costs(what string, up, down linetest.Count, took time.Duration) {
	if m.name == ruler {
		m.tell(what, "round_trips", took.Seconds()/rulerRoundTrip.Seconds(), "round trips")
		return
	}
	upNow, downNow := m.line.Counts()
	up, down = upNow.Sub(up), downNow.Sub(down)
	m.tell(what, "bytes", float64(up.Bytes+down.Bytes), "B")
	m.tell(what, "bytes_up", float64(up.Bytes), "B")
	m.tell(what, "packets", float64(up.Packets+down.Packets), "packets")
	m.tell(what, "lost", float64(up.Gone+down.Gone), "packets")
	m.tell(what, "time", took.Seconds(), "s")
}

// quiet waits until nothing is said on the line for as long as a lost packet takes.
func (m *meeting) quiet(ctx context.Context) error {
	rest := 2*time.Second + 6*m.shape.Up.Delay
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for m.line.Quiet() <= rest {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
	return nil
}

// process is an end that runs.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

func start(ctx context.Context, command []string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.answers = in, bufio.NewScanner(out)
	return p, p.cmd.Start()
}

// all does several things one after the other.
func (p *process) all(words ...string) error {
	for _, w := range words {
		if _, err := p.ask(w); err != nil {
			return err
		}
	}
	return nil
}

// ask has the end do something, and waits until it is done.
func (p *process) ask(words string) (answer string, err error) {
	if _, err := fmt.Fprintln(p.in, words); err != nil {
		return "", err
	}
	if !p.answers.Scan() {
		return "", fmt.Errorf("%s: the end is gone: %w", words, errors.Join(p.answers.Err(), io.ErrUnexpectedEOF))
	}
	var said struct {
		Answer any    `json:"answer"`
		Error  string `json:"error"`
	}
	if err := json.Unmarshal(p.answers.Bytes(), &said); err != nil {
		return "", fmt.Errorf("%s: %w: %s", words, err, p.answers.Bytes())
	}
	if said.Error != "" {
		return "", errors.New(said.Error)
	}
	return fmt.Sprint(said.Answer), nil
}

// stop ends the process, whatever it does.
func (p *process) stop() error {
	err := errors.Join(p.in.Close(), p.cmd.Process.Kill())
	_ = p.cmd.Wait() // it says that it was killed
	return err
}
