package thin

import (
	"bytes"
	"container/heap"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Config says how an Endpoint is made. Everything must be set for which nothing else
// is said.
type Config struct {
	// Keys are this device's X25519 keys, the one that its certificate names first.
	// After it those of certificates before, which others may still know it by.
	Keys []*ecdh.PrivateKey
	// Peer gives the peer key of the device that has a Noise key, by its certificate.
	// Who is nobody's gets no answer.
	Peer func(noise []byte) (ed25519.PublicKey, bool)
	Rand io.Reader // cryptographically random

	Stall    time.Duration // how long a line may stand still; DefaultStall when 0
	MaxLines int           // in all; 4,096 when 0
	// CallsMax is how many calls a second are computed before their senders have to
	// show that they are where they seem to be; 64 when 0. Past four times as many
	// calls are dropped.
	CallsMax int
}

// Endpoint holds the lines of a device. It does nothing by itself: Receive hands it
// datagrams, Advance the time, Next takes datagrams out, Deadline tells when Advance
// is to be called. One goroutine uses it at a time.
type Endpoint struct {
	config  Config
	statics []static
	secret  []byte // of cookies

	lines    map[*Line]bool
	names    map[[cidBytes]byte][]name
	calls    map[[idBytes]byte][]*Line // that wait for their answers
	answered map[[16]byte]*Line        // by the mark of the call
	seen     map[[16]byte]bool         // calls that were taken
	order    [][16]byte                // of seen, the oldest first
	accepted []*Line
	queue    queue
	out      []Datagram

	second   int64 // in which calls are counted
	computed int
}

// name is what a connection id stands for.
type name struct {
	line *Line
	path uint32
}

// NewEndpoint checks a Config.
func NewEndpoint(c Config) (*Endpoint, error) {
	if len(c.Keys) == 0 || len(c.Keys) > 4 || c.Peer == nil || c.Rand == nil {
		return nil, errors.New("thin: an endpoint needs one to four keys, whom to know, and chance")
	}
	if c.Stall == 0 {
		c.Stall = DefaultStall
	}
	if c.MaxLines == 0 {
		c.MaxLines = 4096
	}
	if c.CallsMax == 0 {
		c.CallsMax = 64
	}
	e := &Endpoint{
		config: c, lines: map[*Line]bool{}, names: map[[cidBytes]byte][]name{}, calls: map[[idBytes]byte][]*Line{},
		answered: map[[16]byte]*Line{}, seen: map[[16]byte]bool{},
	}
	for _, k := range c.Keys {
		if k == nil || k.Curve() != ecdh.X25519() {
			return nil, errors.New("thin: a key that is not of X25519")
		}
		e.statics = append(e.statics, newStatic(k))
	}
	e.secret = make([]byte, 32)
	if _, err := io.ReadFull(c.Rand, e.secret); err != nil {
		return nil, fmt.Errorf("thin: draw a secret: %w", err)
	}
	return e, nil
}

// chance draws n bytes. Without chance there is no security: it ends the program, as
// package crypto/rand does.
func (e *Endpoint) chance(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(e.config.Rand, b); err != nil {
		panic(fmt.Errorf("thin: chance: %w", err))
	}
	return b
}

// Receive takes a datagram in. What it isn't sure of it drops without a word.
func (e *Endpoint) Receive(now time.Time, from netip.AddrPort, b []byte) {
	if len(b) == 0 || len(b) > maxDatagram {
		return
	}
	switch b[0] & typeMask {
	case typeInitial:
		e.receiveCall(now, from, b)
	case typeResponse:
		e.receiveAnswer(now, b)
	case typeRetry:
		e.receiveRetry(now, b)
	case typeData:
		e.receiveData(now, from, b)
	}
}

func (e *Endpoint) receiveData(now time.Time, from netip.AddrPort, b []byte) {
	if len(b) < dataBytes {
		return
	}
	for _, n := range e.names[[cidBytes]byte(b[1:])] {
		n.line.receive(now, from, n.path, b)
		e.touch(n.line, now)
	}
}

// Advance does what time has brought about.
func (e *Endpoint) Advance(now time.Time) {
	for len(e.queue) > 0 && !e.queue[0].due.After(now) {
		l := e.queue[0]
		l.work(now)
		if !l.due.IsZero() && !l.due.After(now) {
			l.due = now.Add(time.Millisecond) // it always goes on
		}
		e.place(l)
	}
}

// Deadline is when Advance is to be called next; zero: not before something comes.
func (e *Endpoint) Deadline() time.Time {
	if len(e.queue) == 0 {
		return time.Time{}
	}
	return e.queue[0].due
}

// Next takes a datagram that is to be sent now.
func (e *Endpoint) Next() (d Datagram, ok bool) {
	if len(e.out) == 0 {
		return d, false
	}
	d = e.out[0]
	e.out[0] = Datagram{}
	if e.out = e.out[1:]; len(e.out) == 0 {
		e.out = nil
	}
	return d, true
}

// Accept gives the next line that a peer has made; nil: none.
func (e *Endpoint) Accept() *Line {
	for len(e.accepted) > 0 {
		l := e.accepted[0]
		e.accepted = e.accepted[1:]
		if l.state != over {
			return l
		}
	}
	return nil
}

func (e *Endpoint) offer(l *Line) { e.accepted = append(e.accepted, l) }

// touch lets a line work, and puts it in its place in the queue.
func (e *Endpoint) touch(l *Line, now time.Time) {
	if l.state != over {
		l.work(now)
	}
	e.place(l)
}

func (e *Endpoint) place(l *Line) {
	switch {
	case l.state == over || l.due.IsZero():
		if l.place >= 0 {
			heap.Remove(&e.queue, l.place)
		}
	case l.place >= 0:
		heap.Fix(&e.queue, l.place)
	default:
		heap.Push(&e.queue, l)
	}
}

// register makes the names known under which the peer may send.
func (e *Endpoint) register(l *Line) {
	e.unregister(l)
	for path := l.rx - min(l.rx, 1); path <= l.rx+2; path++ {
		cid := l.recv.cid(path)
		l.names = append(l.names, cid)
		e.names[cid] = append(e.names[cid], name{l, path})
	}
}

func (e *Endpoint) unregister(l *Line) {
	for _, cid := range l.names {
		var others []name
		for _, n := range e.names[cid] {
			if n.line != l {
				others = append(others, n)
			}
		}
		if e.names[cid] = others; len(others) == 0 {
			delete(e.names, cid)
		}
	}
	l.names = nil
}

func (e *Endpoint) remove(l *Line) {
	e.unregister(l)
	e.forgetCall(l)
	delete(e.lines, l)
	if e.answered[l.mark] == l {
		delete(e.answered, l.mark)
	}
	e.place(l)
}

func (e *Endpoint) forgetCall(l *Line) {
	var others []*Line
	for _, o := range e.calls[l.id] {
		if o != l {
			others = append(others, o)
		}
	}
	if e.calls[l.id] = others; len(others) == 0 {
		delete(e.calls, l.id)
	}
}

// replaced ends what a peer's new line makes useless: lines that wait for its last
// words, and the oldest where there are too many.
func (e *Endpoint) replaced(by *Line) {
	var oldest *Line
	n := 0
	for l := range e.lines {
		switch {
		case l.caller || l.pending || !l.peer.Equal(by.peer):
			continue
		case l != by && !l.closed.IsZero():
			l.fail(ErrReset)
			continue
		}
		n++
		if oldest == nil || l.begun.Before(oldest.begun) {
			oldest = l
		}
	}
	if n > maxPeerLines {
		oldest.fail(ErrReset)
	}
}

// taken notes a call, so that it isn't taken again.
func (e *Endpoint) taken(mark [16]byte) {
	if len(e.order) == seenInitials {
		delete(e.seen, e.order[0])
		e.order = e.order[1:]
	}
	e.seen[mark], e.order = true, append(e.order, mark)
}

// called gives the own key that a call is for.
func (e *Endpoint) called(mac, message []byte) *static {
	for i := range e.statics {
		want := callMAC(e.statics[i].mac, message)
		if bytes.Equal(want[:], mac) {
			return &e.statics[i]
		}
	}
	return nil
}

// cookieHolds says whether a call brings back what its address was given.
func (e *Endpoint) cookieHolds(now time.Time, from netip.AddrPort, cookie []byte) bool {
	address, err := from.MarshalBinary()
	if err != nil || len(cookie) != cookieBytes {
		return false
	}
	return hmac.Equal(cookie, cookieOf(e.secret, address, now, 0)) || hmac.Equal(cookie, cookieOf(e.secret, address, now, 1))
}

// queue is a heap of lines by what is due.
type queue []*Line

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}
func (q *queue) Push(x any) {
	l := x.(*Line)
	l.place = len(*q)
	*q = append(*q, l)
}
func (q *queue) Pop() any {
	l := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = nil
	*q = (*q)[:len(*q)-1]
	l.place = -1
	return l
}

// Moved tells that this device's address has changed: its calls go on under new names.
func (e *Endpoint) Moved(now time.Time) {
	for l := range e.lines {
		l.Rebind(now)
	}
}

// Reset gives every line up, and tells the peers, who may or may not hear it.
func (e *Endpoint) Reset(now time.Time) {
	for l := range e.lines {
		if l.state == open && (l.closed.IsZero() || !l.outbox.done()) {
			l.ship(now, &payload{controls: []control{{kind: controlReset}}}, false)
		}
		l.fail(ErrReset)
	}
}
