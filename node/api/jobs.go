package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/vungxa/vungxa/node"
)

// Job is something long that the command line has the running node do, since only
// one program may have the store open: a backup, a verification. It gets its order
// as JSON and may tell lines meanwhile; what it returns is told at the end. It ends
// early when ctx does: the command was stopped.
//
// Jobs are the program's own talk with itself, in one version, and so not in the
// OpenAPI document.
type Job func(ctx context.Context, order json.RawMessage, tell func(line any) error) (result any, err error)

// JobLine is a line of a job's answer: one of the three is set. The last line is
// Result or Problem; an answer that ends without one was cut off. Alive lines say
// nothing.
type JobLine struct {
	Line    json.RawMessage `json:"line,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Problem *Problem        `json:"problem,omitempty"`
	Alive   bool            `json:"alive,omitempty"`
}

// jobPatience is how long a command may take to read a line, and the longest time
// between two lines.
const jobPatience = 30 * time.Second

func (s *server) job(w http.ResponseWriter, r *http.Request) {
	if err := s.fromCommandLine(r); err != nil {
		writeProblem(w, r, err)
		return
	}
	job, ok := s.Control.Jobs[r.PathValue("job")]
	if !ok {
		s.noSuchRoute(w, r)
		return
	}
	order, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeProblem(w, r, node.Errorf(node.Invalid, "Lệnh gửi tới không đọc được: %w", "the order can't be read: %w", err))
		return
	}
	lines := &jobLines{w: w, control: http.NewResponseController(w)}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err := lines.write(JobLine{Alive: true}); err != nil {
		return // nobody is there any more
	}
	stopped := lines.keepAlive(ctx, cancel)
	result, err := job(ctx, order, func(line any) error { return lines.put("line", line) })
	cancel()
	<-stopped
	if err != nil {
		_ = s.refuse("job", err) // logs what is a fault of the node
		p := problemOf(err, tongueOf(r.Header.Get("Accept-Language")))
		err = lines.write(JobLine{Problem: &p})
	} else {
		err = lines.put("result", result)
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the answer must not look whole
	}
}

// jobLines writes lines to the command.
type jobLines struct {
	control *http.ResponseController
	mu      sync.Mutex // guards w
	w       io.Writer
}

func (l *jobLines) put(kind string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("tell a line: %w", err)
	}
	if kind == "line" {
		return l.write(JobLine{Line: b})
	}
	return l.write(JobLine{Result: b})
}

func (l *jobLines) write(line JobLine) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		return fmt.Errorf("tell a line: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := l.control.SetWriteDeadline(time.Now().Add(jobPatience)); err != nil {
		return err
	}
	_, err := l.w.Write(b.Bytes())
	if err == nil {
		err = l.control.Flush()
	}
	return err
}

// keepAlive writes now and then, so that a command that is gone is noticed.
func (l *jobLines) keepAlive(ctx context.Context, cancel func()) (stopped chan struct{}) {
	stopped = make(chan struct{})
	go func() {
		defer close(stopped)
		every := time.NewTicker(jobPatience / 3)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
			if l.write(JobLine{Alive: true}) != nil {
				cancel()
			}
		}
	}()
	return stopped
}
