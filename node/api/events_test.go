package api

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/auth"
	"github.com/vungxa/vungxa/node/engine"
)

// listener reads an event stream line by line.
type listener struct {
	t     *testing.T
	lines chan string
	close func()
}

func (b *tab) listen() *listener {
	t := b.o.t
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+b.o.host+"/api/v0/events", nil)
	b.o.must(err)
	r.Header = b.header.Clone()
	r.AddCookie(b.cookie)
	resp, err := http.DefaultTransport.RoundTrip(r)
	b.o.must(err)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("events answer %d %v", resp.StatusCode, resp.Header)
	}
	l := &listener{t: t, lines: make(chan string, 1000)}
	ended := make(chan struct{})
	l.close = func() { cancel(); <-ended }
	go func() {
		defer close(ended)
		defer close(l.lines)
		defer resp.Body.Close()
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if s.Text() != "" {
				l.lines <- s.Text()
			}
		}
	}()
	t.Cleanup(l.close)
	l.wants(": open")
	return l
}

// next is the next line that is no comment; "" when the stream has ended.
func (l *listener) next() string {
	l.t.Helper()
	for {
		select {
		case line, ok := <-l.lines:
			if !ok || !strings.HasPrefix(line, ": alive") {
				return line
			}
		case <-time.After(20 * time.Second):
			l.t.Fatal("no event came")
		}
	}
}

func (l *listener) wants(lines ...string) {
	l.t.Helper()
	for _, want := range lines {
		if got := l.next(); got != want {
			l.t.Fatalf("the stream says %q; want %q", got, want)
		}
	}
}

func (l *listener) ends() {
	l.t.Helper()
	if got := l.next(); got != "" {
		l.t.Fatalf("the stream says %q; want its end", got)
	}
}

func TestEvents(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	l := b.listen()
	b.create("Đường hỏng")
	if got := l.next(); got != "event: change" {
		t.Fatalf("the stream says %q; want a change", got)
	}
	if got := l.next(); !strings.HasPrefix(got, `data: {"position":`) {
		t.Fatalf("the change's data is %q", got)
	}
	l.wants("event: node", "data: {}") // one save more is unsent
	b.ask("POST", "/api/v0/demo/lines/"+peerDevice, map[string]any{"cut": true}).is(204)
	l.wants("event: node", "data: {}")
}

// paper is a connection that takes all that is written on it.
type paper struct {
	header http.Header
	text   strings.Builder
}

func (p *paper) Header() http.Header              { return p.header }
func (p *paper) WriteHeader(int)                  {}
func (p *paper) Write(b []byte) (int, error)      { return p.text.Write(b) }
func (p *paper) Flush()                           {}
func (p *paper) SetReadDeadline(time.Time) error  { return nil }
func (p *paper) SetWriteDeadline(time.Time) error { return nil }

// busy is an engine in which something changes whenever it is told to.
type busy struct {
	Engine
	mu       sync.Mutex // guards what follows
	position uint64
	changed  chan struct{}
}

func (e *busy) Unsent() (int, *int64, error) { return 0, nil, nil }

func (e *busy) Position() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.position
}

func (e *busy) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

func (e *busy) change() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.position++
	close(e.changed)
	e.changed = make(chan struct{})
}

// A thousand changes in a second of virtual time are few events, and the last of
// them tells of all.
func TestEventsGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := auth.New(&memory{}, time.Now, rand.NewChaCha8([32]byte{1}))
		if err != nil {
			t.Fatal(err)
		}
		e := &busy{changed: make(chan struct{})}
		quiet := &surroundings{changed: make(chan struct{})}
		done := make(chan struct{})
		s := &server{Config: Config{Engine: e, Node: quiet, Auth: a, Done: done, KeepAlive: time.Hour}}
		w := &paper{header: http.Header{}}
		st := &stream{server: s, session: &auth.Session{}, ctx: t.Context(), w: w, control: http.NewResponseController(w)}
		ended := make(chan struct{})
		go func() { defer close(ended); st.run() }()
		synctest.Wait()
		for range 1000 {
			<-time.After(time.Millisecond)
			e.change()
		}
		<-time.After(time.Second)
		close(done)
		<-ended
		if n := strings.Count(w.text.String(), "event: change"); n < 2 || n > 6 {
			t.Errorf("%d events for 1000 changes", n)
		}
		if !strings.HasSuffix(w.text.String(), "data: {\"position\":1000}\n\n") {
			t.Errorf("the last change was not told:\n%s", w.text.String())
		}
	})
}

func TestEventsEndWithTheSession(t *testing.T) {
	// Only idleness is noticed at the next comment; the other ends are at once.
	keepAlive := map[string]time.Duration{"idle": 5 * time.Millisecond, "sign-out": time.Hour, "password": time.Hour}
	for name, end := range map[string]func(*office, *tab){
		"sign-out": func(_ *office, b *tab) { b.ask("DELETE", "/api/v0/session", nil).is(204) },
		"password": func(o *office, _ *tab) {
			o.signIn("lan").ask("PUT", "/api/v0/session/password", map[string]any{"password": "một mật khẩu"}).is(204)
		},
		"idle": func(o *office, _ *tab) { o.pass(auth.Idle + time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, func(c *Config) { c.KeepAlive = keepAlive[name] })
			b := o.signIn("lan")
			l := b.listen()
			end(o, b)
			l.ends()
			b.ask("GET", "/api/v0/events", nil).is(401).problem(node.Unauthenticated)
		})
	}
}

func TestEventsStayAlive(t *testing.T) {
	o := newOffice(t, func(c *Config) { c.KeepAlive = time.Millisecond })
	l := o.signIn("lan").listen()
	for range 3 {
		if got := <-l.lines; got != ": alive" {
			t.Fatalf("the stream says %q; want a comment", got)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	var open []*listener
	for range maxStreamsPerSession {
		open = append(open, b.listen())
	}
	b.ask("GET", "/api/v0/events", nil).is(503).problem(node.Unavailable)
	o.signIn("hung").listen()
	s := New(o.cfg).(*server)
	for range maxStreams {
		s.streams.enter(&auth.Session{})
	}
	if s.streams.enter(&auth.Session{}) {
		t.Errorf("more than %d streams", maxStreams)
	}
	// A place that is given back can be taken again, once the node has noticed.
	open[0].close()
	deadline := time.Now().Add(20 * time.Second)
	for {
		r, err := http.NewRequest("GET", "http://"+o.host+"/api/v0/events", nil)
		o.must(err)
		r.Header = b.header.Clone()
		r.AddCookie(b.cookie)
		resp, err := http.DefaultTransport.RoundTrip(r)
		o.must(err)
		o.must(resp.Body.Close())
		if resp.StatusCode == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the place was not given back")
		}
	}
}

// draining is an engine of whose saves one is left unsent.
type draining struct{ *busy }

func (draining) Unsent() (int, *int64, error)  { return 1, nil, nil }
func (draining) Loads() ([]engine.Load, error) { return nil, nil }

func TestEventsTellThatLessIsUnsent(t *testing.T) {
	e := draining{&busy{changed: make(chan struct{})}}
	w := &paper{header: http.Header{}}
	st := &stream{server: &server{Config: Config{Engine: e}}, w: w, control: http.NewResponseController(w), waiting: unsent{Count: 2}}
	e.change()
	if !st.tell() || !strings.Contains(w.text.String(), "event: node") {
		t.Errorf("two unsent, then one: the stream says %q; want a node event", w.text.String())
	}
}
