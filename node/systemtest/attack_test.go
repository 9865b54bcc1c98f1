//go:build linux

package systemtest

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// attack is a connection to a victim, made with the thief's key.
type attack struct {
	*testing.T
	*victim
	conn link.Conn
}

// attack does something wrong, and fails unless that is refused: the attacker
// reads why. Either the connection ends, and the page says the same; or only what was
// sent is refused, and the connection lives on.
func (v *victim) attack(t *testing.T, w wrong) {
	t.Helper()
	_, conn, err := v.dial(t, v.thief.Keys.Peer)
	if err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(patience, func() { _ = conn.Close() })
	defer stuck.Stop()
	w.do(&attack{t, v, conn})
	if w.ignored {
		if err := readUntil(conn, kindLevel); err != nil {
			t.Errorf("the attacker wasn't told that what it sent was looked at: %v", err)
		}
		return
	}
	refused, said, ends, err := readRefusal(conn)
	if err != nil || refused != w.code || said == "" || ends != w.ends {
		t.Errorf("the attacker read code %d, %q, the end %v, %v; want code %d, a reason, the end %v", refused, said, ends, err, w.code, w.ends)
	}
	if !w.ends {
		a := &attack{t, v, conn}
		a.say(4, 0, [16]byte{}) // still in order
		if err := readUntil(conn, kindLevel); err != nil {
			t.Errorf("the line didn't live on: %v", err)
		}
		return
	}
	if frame, err := conn.ReadFrame(); err == nil {
		t.Errorf("after the refusal came a frame of %d bytes", len(frame))
	}
	v.explains(t, reconcile.Refuse(w.code, "").Reason.VI)
}

// Kinds of message (sync/PROTOCOL.md).
const (
	kindLevel   = 4
	kindRefuse  = 5
	kindRefused = 7
)

// readUntil reads frames up to one of a kind.
func readUntil(conn link.Conn, kind byte) error {
	for {
		frame, err := conn.ReadFrame()
		if err != nil || frame[1] == kind {
			return err
		}
	}
}

// explains waits until the page says why there is no line to the thief.
func (v *victim) explains(t *testing.T, reason string) {
	t.Helper()
	eventually(t, "the reason on the page", func() error {
		for _, p := range v.Info().Peers {
			if p.Device == v.thief.Claims.Device.String() && !p.Connected && p.WhyNot != nil && *p.WhyNot == reason {
				return nil
			}
		}
		return fmt.Errorf("%+v; want %q", v.Info().Peers, reason)
	})
}

// dial connects to the victim under some key.
func (v *victim) dial(t *testing.T, key ed25519.PrivateKey) (*link.Host, link.Conn, error) {
	t.Helper()
	host, err := link.New(link.Config{Key: key, Allow: func(ed25519.PublicKey) bool { return true }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := host.Dial(ctx, v.sync, identity.Public(v.self.Keys.Peer))
	return host, conn, err
}

// readRefusal reads what the victim says up to a refusal, of the session or of
// something sent.
func readRefusal(conn link.Conn) (code reconcile.Code, vi string, ends bool, err error) {
	for {
		frame, err := conn.ReadFrame()
		if err != nil {
			return 0, "", false, err
		}
		if frame[1] != kindRefuse && frame[1] != kindRefused {
			continue
		}
		var said []any
		if err := cbor.Unmarshal(frame, &said); err != nil {
			return 0, "", false, err
		}
		n, _ := said[1].(uint64)
		vi, _ := said[2].(string)
		return reconcile.Code(n), vi, frame[1] == kindRefuse, nil
	}
}

func (a *attack) must(err error) {
	a.T.Helper()
	if err != nil {
		a.T.Fatal(err)
	}
}

func (a *attack) send(frame []byte) {
	a.T.Helper()
	a.must(a.conn.WriteFrames([][]byte{frame}))
}

// say sends a message: its kind, and what follows.
func (a *attack) say(kind int, parts ...any) {
	a.T.Helper()
	frame, err := wire.Marshal(append([]any{kind}, parts...))
	a.must(err)
	a.send(frame)
}

func (a *attack) hello(certificate []byte, scope crdt.Scope) {
	a.T.Helper()
	a.say(0, 1, certificate, []any{string(scope)}, 1)
}

// greet says what is right: who the thief is, and that it holds nothing.
func (a *attack) greet() {
	a.T.Helper()
	a.hello(a.thief.Certificate, demo.Scope())
	a.say(21, 0, []any{[]any{string(demo.Scope()), []any{0, 0, [16]byte{}, []byte{}}, []any{}, []any{}}})
}

// certified makes a device under any root.
func (a *attack) certified(root ed25519.PrivateKey, name string, role identity.Role, scope crdt.Scope) *memlog.Node {
	a.T.Helper()
	n, err := memlog.New(root, name, role, scope)
	a.must(err)
	return n
}

// segment sends what a device has written past a seq, spoilt by change.
func (a *attack) segment(by *memlog.Node, after uint64, change func(*wire.Segment)) {
	a.T.Helper()
	for i := range 3 {
		_, err := by.Save(demo.Scope(), crdt.ClassRecords, fmt.Sprint("giả ", i))
		a.must(err)
	}
	_, err := by.Heads(demo.Scope()) // seals
	a.must(err)
	s, err := by.Segment(by.Log(demo.Scope(), crdt.ClassRecords), after, 0)
	a.must(err)
	if change != nil {
		change(s)
	}
	raw, err := wire.EncodeSegment(s)
	a.must(err)
	a.say(16, raw)
}

func (a *attack) receipt(r *identity.Receipt, key ed25519.PrivateKey) {
	a.T.Helper()
	r.Scope = demo.Scope()
	a.must(r.Sign(func(m []byte) []byte { return ed25519.Sign(key, m) }))
	raw, err := r.Encode()
	a.must(err)
	a.say(18, raw)
}

// heads are those that the victim really holds.
func (a *attack) heads() (all []identity.LogHead) {
	a.T.Helper()
	held, err := a.Engine().Heads(demo.Scope())
	a.must(err)
	for log, head := range held {
		all = append(all, identity.LogHead{Log: log, Head: head})
	}
	slices.SortFunc(all, func(x, y identity.LogHead) int { return x.Log.Compare(y.Log) })
	return all
}
