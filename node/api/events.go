package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/auth"
)

// Limits of event streams. eventGap is the least time between two events: an
// import changes records a thousand times a second, and a page reads them again
// at every event.
const (
	maxStreams           = 64
	maxStreamsPerSession = 6
	eventGap             = 200 * time.Millisecond
	eventTimeout         = 10 * time.Second // for a reader that doesn't read
)

// streams counts the open event streams.
type streams struct {
	mu    sync.Mutex // guards what follows
	total int
	open  map[*auth.Session]int
}

func (t *streams) enter(s *auth.Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total >= maxStreams || t.open[s] >= maxStreamsPerSession {
		return false
	}
	t.total++
	t.open[s]++
	return true
}

func (t *streams) leave(s *auth.Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	if t.open[s]--; t.open[s] == 0 {
		delete(t.open, s)
	}
}

func (s *server) registerEvents(api huma.API) {
	op := s.signedIn(http.MethodGet, "/events", "events", "Says that something changed, until the session ends.")
	op.Description = "Server-sent events, read by fetch. `change` with {\"position\": n} when records or their ticks changed; " +
		"`node` with {} when peers or what is unsent changed; a comment every 15 s. What changed is read again by the other operations."
	add(s, api, op, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		session := sessionOf(ctx)
		if !s.streams.enter(session) {
			return nil, node.Errorf(node.Unavailable, "Có quá nhiều trang đang mở. Hãy đóng bớt rồi tải lại.", "too many pages are open; close some and load again")
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer s.streams.leave(session)
			r, w := humago.Unwrap(ctx)
			st := &stream{server: s, session: session, ctx: r.Context(), w: w, control: http.NewResponseController(w)}
			st.run()
		}}, nil
	})
	content := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	api.OpenAPI().Paths[prefix+"/events"].Get.Responses["200"].Content = map[string]*huma.MediaType{"text/event-stream": content}
}

// stream is one reader's event stream.
type stream struct {
	*server
	session *auth.Session
	ctx     context.Context
	w       http.ResponseWriter
	control *http.ResponseController

	position uint64
	waiting  unsent
}

// run tells of changes until the reader goes, the session ends or the node closes.
func (t *stream) run() {
	t.w.Header().Set("Content-Type", "text/event-stream")
	if err := t.control.SetReadDeadline(time.Time{}); err != nil {
		t.Log.Error("a connection takes no deadline", "error", err)
		return
	}
	alive := time.NewTicker(t.KeepAlive)
	defer alive.Stop()
	// The stream's last bytes are written by the server after this, and the deadline
	// of the last event may be past: without its end the browser calls it broken.
	defer func() { _ = t.control.SetWriteDeadline(time.Now().Add(eventTimeout)) }()
	t.position = t.Engine.Position()
	ok := t.noteUnsent() == nil && t.send(": open\n\n")
	for ok {
		// The channels are taken before anything is read, so that no change falls between.
		records, peers := t.Engine.Changed(), t.Node.Changed()
		if ok = t.tell(); !ok {
			return
		}
		select {
		case <-records:
			ok = t.pause()
		case <-peers:
			ok = t.send("event: node\ndata: {}\n\n") && t.pause()
		case <-alive.C:
			ok = t.Auth.Live(t.session) && t.send(": alive\n\n")
		case <-t.ctx.Done():
			ok = false
		case <-t.session.Done():
			ok = false
		case <-t.Done:
			ok = false
		}
	}
}

// tell sends what has changed since it last did.
func (t *stream) tell() bool {
	p := t.Engine.Position()
	if p == t.position {
		return true
	}
	t.position = p
	before := t.waiting
	if err := t.noteUnsent(); err != nil {
		return false
	}
	text := fmt.Sprintf("event: change\ndata: {\"position\":%d}\n\n", p)
	if !same(before, t.waiting) {
		text += "event: node\ndata: {}\n\n"
	}
	return t.send(text)
}

func (t *stream) noteUnsent() (err error) {
	if t.waiting, err = t.unsent(); err != nil {
		t.Log.Error("an event stream can't tell what is unsent", "error", err)
	}
	return err
}

func same(a, b unsent) bool {
	return a.Count == b.Count && (a.OldestMS == nil) == (b.OldestMS == nil) && (a.OldestMS == nil || *a.OldestMS == *b.OldestMS) && slices.Equal(a.Carried, b.Carried)
}

// pause lets changes gather.
func (t *stream) pause() bool {
	gap := time.NewTimer(eventGap)
	defer gap.Stop()
	select {
	case <-gap.C:
		return true
	case <-t.ctx.Done():
	case <-t.session.Done():
	case <-t.Done:
	}
	return false
}

// send writes at once, or gives the reader up. Deadlines are the machine's own
// time: they decide nothing but when a dead connection is let go.
func (t *stream) send(text string) bool {
	if err := t.control.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil {
		return false
	}
	if _, err := io.WriteString(t.w, text); err != nil {
		return false
	}
	return t.control.Flush() == nil
}
