package daemon_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// cables joins two nodes in one process; cut ends the connection that there is.
type cables struct {
	calls chan *cable
	mu    sync.Mutex
	open  []*cable
}

func (w *cables) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		c.stop()
	}
	w.open = nil
}

// dialer calls over cables, listener is called.
type (
	dialer struct {
		*cables
		own ed25519.PublicKey
	}
	listener struct{ *cables }
)

func (d dialer) Dial(_ context.Context, _ string, peer ed25519.PublicKey) (replica.Conn, error) {
	ab, ba := make(chan []byte, 256), make(chan []byte, 256)
	done, once := make(chan struct{}), &sync.Once{}
	stop := func() { once.Do(func() { close(done) }) }
	near, far := &cable{peer, ba, ab, done, stop}, &cable{d.own, ab, ba, done, stop}
	d.mu.Lock()
	d.open = append(d.open, near)
	d.mu.Unlock()
	d.calls <- far
	return near, nil
}

func (d dialer) Accept(ctx context.Context) (replica.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (l listener) Dial(context.Context, string, ed25519.PublicKey) (replica.Conn, error) {
	return nil, errors.New("it calls nobody")
}

func (l listener) Accept(ctx context.Context) (replica.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type cable struct {
	peer    ed25519.PublicKey
	in, out chan []byte
	done    chan struct{}
	stop    func()
}

func (c *cable) PeerKey() ed25519.PublicKey { return c.peer }
func (c *cable) Window() int                { return 64 << 10 }
func (c *cable) Close() error               { c.stop(); return nil }

func (c *cable) ReadFrame() ([]byte, error) {
	select {
	case b := <-c.in:
		return b, nil
	case <-c.done:
		return nil, io.EOF
	}
}

func (c *cable) WriteFrames(frames [][]byte) error {
	for _, b := range frames {
		select {
		case c.out <- bytes.Clone(b):
		case <-c.done:
			return io.ErrClosedPipe
		}
	}
	return nil
}

// pieces sees what a node keeps of attachments, and changes what it gives.
type pieces struct {
	replica.Files
	spoil func(b []byte)
	kept  func(n int, a reconcile.Append, err error)
	n     int
}

func (p *pieces) Piece(scopes []crdt.Scope, hash [32]byte, offset uint64, most int) ([]byte, uint64, error) {
	b, total, err := p.Files.Piece(scopes, hash, offset, most)
	if p.spoil != nil && len(b) > 0 {
		p.spoil(b)
	}
	return b, total, err
}

func (p *pieces) Append(hash [32]byte, offset, total uint64, b []byte) error {
	err := p.Files.Append(hash, offset, total, b)
	p.n++
	p.kept(p.n, reconcile.Append{Hash: hash, Offset: offset, Total: total, Bytes: b}, err)
	return err
}

// run has a laptop and a box talk until done is closed.
func run(t *testing.T, laptop, box *daemon.Daemon, w *cables, give, take *pieces, done chan struct{}) {
	t.Helper()
	a := laptop.ReplicaConfig([]replica.Peer{box.Peer("box")}, dialer{w, laptop.Peer("").PeerKey})
	b := box.ReplicaConfig([]replica.Peer{laptop.Peer("")}, listener{w})
	give.Files, take.Files = a.Files, b.Files
	a.Files, b.Files, a.RetryMin, a.RetryMax = give, take, time.Millisecond, time.Millisecond
	ctx, stop := context.WithTimeout(t.Context(), 40*time.Second)
	defer stop()
	var all sync.WaitGroup
	for _, c := range []replica.Config{a, b} {
		r, err := replica.New(c)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	select {
	case <-done:
	case <-ctx.Done():
		t.Error("it takes too long")
	}
	stop()
	w.cut()
	all.Wait()
}

// A laptop's attachment reaches the box behind its records, over a line that is cut in
// the middle: not a piece comes twice, and what is saved meanwhile doesn't wait. Other
// bytes under its name are kept nowhere. Once it is erased, nobody gets it.
func TestAttachmentsTravel(t *testing.T) {
	root := provision(t)
	laptop, box := office(t, filepath.Join(root, "laptop")), office(t, filepath.Join(root, "box"))
	content := make([]byte, 3<<20+77)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(content); err != nil {
		t.Fatal(err)
	}
	h, _, err := laptop.Attachments().Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	id := pointAs(t, laptop.Peer("").Device, laptop.DeviceKeys(), laptop, h, attach.Hash{9})
	newCables := func() *cables { return &cables{calls: make(chan *cable, 16)} }

	done, w := make(chan struct{}), newCables()
	take := &pieces{kept: func(_ int, a reconcile.Append, err error) {
		if a.Offset+uint64(len(a.Bytes)) < a.Total {
			return
		}
		var refusal *reconcile.Refusal
		if !errors.As(err, &refusal) || refusal.Code != reconcile.Malformed {
			t.Errorf("other bytes: %v; want them refused", err)
		}
		close(done)
	}}
	run(t, laptop, box, w, &pieces{spoil: func(b []byte) { b[len(b)/2] ^= 1 }}, take, done)
	if held, err := box.Attachments().Has(h); held || err != nil {
		t.Fatalf("it is kept: %v", err)
	}

	done, w = make(chan struct{}), newCables()
	saved, whole := "", false
	take = &pieces{kept: func(n int, a reconcile.Append, err error) {
		switch {
		case err != nil:
			t.Error(err)
		case n == 60:
			w.cut()
		case n == 100:
			saved = "Lưu trong lúc gửi tệp"
			saveText(t, laptop, saved)
		}
		if a.Offset+uint64(len(a.Bytes)) == a.Total {
			whole = true
			close(done)
		}
	}}
	run(t, laptop, box, w, &pieces{}, take, done)
	if want := (len(content) + reconcile.MaxChunk - 1) / reconcile.MaxChunk; take.n > want+1 || !whole {
		t.Errorf("%d pieces came; there are %d", take.n, want)
	}
	if got := shown(t, box); len(got) != 2 {
		t.Errorf("when the attachment is whole the box shows %v; want what was saved meanwhile", got)
	}
	wantAttached(t, filepath.Join(root, "box"), map[attach.Hash][]byte{h: content})

	scopes := []crdt.Scope{demo.Scope()}
	give := box.ReplicaConfig(nil, nil).Files
	if b, _, err := give.Piece(scopes, h, 0, 10); len(b) != 10 || err != nil {
		t.Errorf("the box gives %d bytes of it, %v", len(b), err)
	}
	if b, _, err := give.Piece([]crdt.Scope{"c/00001"}, h, 0, 10); len(b) > 0 || err != nil {
		t.Errorf("for another scope it gives %d bytes, %v", len(b), err)
	}
	order, err := box.Engine().ErasureOf(t.Context(), "1/QĐ", "petitions", id)
	if err == nil {
		err = box.Engine().Erase(order)
	}
	if err != nil {
		t.Fatal(err)
	}
	if b, _, err := give.Piece(scopes, h, 0, 10); len(b) > 0 || err != nil {
		t.Errorf("erased, and it gives %d bytes of it, %v", len(b), err)
	}
	if wanted, err := give.Lacks(scopes, nil); wanted != nil || err != nil {
		t.Errorf("erased, and it asks for %v, %v", wanted, err)
	}
	var refusal *reconcile.Refusal
	if err := give.Append(h, 0, 10, content[:10]); !errors.As(err, &refusal) || refusal.Code != reconcile.Missing {
		t.Errorf("erased, and it keeps a piece: %v", err)
	}
}
