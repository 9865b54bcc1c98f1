package replica_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// The tests run in bubbles of virtual time: sleeping costs nothing, and a bubble
// fails when a goroutine outlives it.

func TestMain(m *testing.M) {
	warm()
	goleak.VerifyTestMain(m)
}

// warm packs and unpacks a segment outside of every bubble: zstd makes channels
// at its first use, which would otherwise belong to the bubble that came first.
func warm() {
	n, err := memlog.New(root, "warm", identity.RoleBox, scope)
	if err != nil {
		panic(err)
	}
	p, err := n.Save(scope, crdt.ClassRecords, "")
	if err != nil {
		panic(err)
	}
	if _, err = n.Heads(scope); err != nil {
		panic(err)
	}
	s, err := n.Segment(p.Log, 0, 0)
	if err != nil {
		panic(err)
	}
	b, err := wire.EncodeSegment(s)
	if err != nil {
		panic(err)
	}
	if _, err = wire.DecodeSegment(b); err != nil {
		panic(err)
	}
}

const scope crdt.Scope = "c/03646"

var root = memlog.Key("authority")

// station is a node with its replica, which can be stopped and started again.
type station struct {
	kept   atomic.Int32 // certificates stored
	t      *testing.T
	net    *network
	name   string
	node   *memlog.Node
	peers  []replica.Peer
	ingest replica.Ingest // nil: the node's
	retry  time.Duration  // the longest; 0: 60 s
	files  *shelf         // attachments; nil: none
	meets  func(ed25519.PublicKey) (replica.Peer, bool)

	r    *replica.Replica
	stop context.CancelFunc
	done chan error

	mu    sync.Mutex
	heard map[crdt.Device]int64
	notes map[string][]byte // kept over restarts, as a disk does
}

func (s *station) Note(peer crdt.Device, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes[peer.String()+name], nil
}

func (s *station) PutNote(peer crdt.Device, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes[peer.String()+name] = value
	return nil
}

func (s *station) Heard(d crdt.Device, atMS int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[d] = max(s.heard[d], atMS)
}

func (s *station) heardFrom() map[crdt.Device]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.heard)
}

// office is a laptop, a box and a hub; each calls the next.
func office(t *testing.T) (net *network, laptop, box, hub *station) {
	net = newNetwork()
	laptop = newStation(t, net, "laptop", identity.RoleLaptop)
	box = newStation(t, net, "box", identity.RoleBox)
	hub = newStation(t, net, "hub", identity.RoleHub)
	join(laptop, box)
	join(box, hub)
	return net, laptop, box, hub
}

func newStation(t *testing.T, net *network, name string, role identity.Role) *station {
	t.Helper()
	n, err := memlog.New(root, name, role, scope)
	if err != nil {
		t.Fatal(err)
	}
	return &station{t: t, net: net, name: name, node: n, heard: map[crdt.Device]int64{}, notes: map[string][]byte{}}
}

// keeper counts the certificates that its node is given to keep.
type keeper struct {
	*memlog.Node
	kept *atomic.Int32
}

func (k *keeper) StoreCertificate(cert []byte) error {
	k.kept.Add(1)
	return k.Node.StoreCertificate(cert)
}

// join lets a call b.
func join(a, b *station) {
	a.peers = append(a.peers, replica.Peer{Device: b.node.Claims.Device, PeerKey: b.node.Claims.PeerKey, Address: b.name})
	b.peers = append(b.peers, replica.Peer{Device: a.node.Claims.Device, PeerKey: a.node.Claims.PeerKey})
}

func (s *station) start() {
	s.t.Helper()
	ingest := s.ingest
	if ingest == nil {
		ingest = s.node.Ingest
	}
	var files replica.Files
	if s.files != nil {
		files = s.files
	}
	var err error
	s.r, err = replica.New(replica.Config{
		Files: files, Checkpoints: s.node,
		Root: identity.Public(root), Certificate: s.node.Certificate, Directory: s.node.Directory,
		Scopes: s.node.Claims.Scopes, Peers: s.peers,
		Log: &keeper{Node: s.node, kept: &s.kept}, Ingest: ingest, Sign: s.node.Sign, Hear: s, Notes: s, Carrier: s.net.host(s.name, s.node.Claims.PeerKey),
		Now: time.Now, Rand: rand.NewChaCha8([32]byte{1}), RetryMax: s.retry, Meets: s.meets,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.r.Run(ctx) }()
}

// halt stops the replica and waits until nothing of it runs.
func (s *station) halt() {
	s.t.Helper()
	s.stop()
	if err := <-s.done; err != nil {
		s.t.Errorf("%s: %v", s.name, err)
	}
}

func start(all ...*station) {
	for _, s := range all {
		s.start()
	}
}

func halt(all ...*station) {
	for _, s := range all {
		s.halt()
	}
}

func (s *station) save(n int) {
	s.t.Helper()
	for i := range n {
		if _, err := s.node.Save(scope, crdt.ClassRecords, fmt.Sprint(i)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// state is how the station's line to another one is.
func (s *station) state(to *station) replica.State {
	s.t.Helper()
	for _, p := range s.r.Peers() {
		if p.Device == to.node.Claims.Device {
			return p
		}
	}
	s.t.Fatalf("%s has no peer %s", s.name, to.name)
	return replica.State{}
}

// hold gives everything that a node holds as text.
func (s *station) holds() string {
	s.t.Helper()
	heads, err := s.node.Heads(scope)
	if err != nil {
		s.t.Fatal(err)
	}
	receipts, err := s.node.Receipts(scope)
	if err != nil {
		s.t.Fatal(err)
	}
	out := fmt.Sprint(heads)
	for _, r := range receipts {
		out += fmt.Sprint("\n", *r)
	}
	return out
}

func same(t *testing.T, all ...*station) {
	t.Helper()
	for _, s := range all[1:] {
		if a, b := all[0].holds(), s.holds(); a != b {
			t.Errorf("%s and %s differ:\n%s\n\n%s", all[0].name, s.name, a, b)
		}
	}
}

// received says whether a node can show that a signer holds a log up to seq.
func (s *station) received(signer *station, log crdt.LogID, seq uint64) bool {
	s.t.Helper()
	receipts, err := s.node.Receipts(scope)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range receipts {
		if r.Signer == signer.node.Claims.Device && r.Covers(crdt.Dot{Log: log, Seq: seq}) {
			return true
		}
	}
	return false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
