package link

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// RaftLayer carries raft between the members of a hub: streams of the host, under
// their own protocol. A member's raft address is the name of its peer key, so
// that it can move; member says where it is now, and whether a peer is a member at
// all: to others, certified or not, the host doesn't speak raft. Closing the layer
// leaves the host open.
func (h *Host) RaftLayer(member func(peer ed25519.PublicKey) (addr string, ok bool)) raft.StreamLayer {
	ctx, cancel := context.WithCancel(h.ctx)
	l := &raftLayer{host: h, member: member, accepted: make(chan net.Conn), ctx: ctx, cancel: cancel}
	h.streams.AddHandler(protocolRaft, l.handle)
	return l
}

// RaftAddress is the raft address of the member with the peer key.
func RaftAddress(key ed25519.PublicKey) (raft.ServerAddress, error) {
	id, err := peerID(key)
	return raft.ServerAddress(id.String()), err
}

type raftLayer struct {
	host     *Host
	member   func(ed25519.PublicKey) (string, bool)
	accepted chan net.Conn
	ctx      context.Context // done when the layer or its host closes
	cancel   context.CancelFunc
}

func (l *raftLayer) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l *raftLayer) Close() error {
	l.host.streams.RemoveHandler(protocolRaft)
	l.cancel()
	return nil
}

func (l *raftLayer) Addr() net.Addr { return peerAddr(l.host.parts.swarm.LocalPeer()) }

func (l *raftLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, err := peer.Decode(string(address))
	if err != nil {
		return nil, fmt.Errorf("link: raft address %q: %w", address, err)
	}
	key, err := keyOf(id)
	if err != nil {
		return nil, fmt.Errorf("link: raft address %q: %w", address, err)
	}
	addr, ok := l.member(key)
	if !ok {
		return nil, fmt.Errorf("link: raft member %s: not a member of this hub", address)
	}
	ctx, cancel := context.WithTimeout(l.ctx, timeout)
	defer cancel()
	s, err := l.host.open(ctx, addr, id, protocolRaft)
	if err != nil {
		return nil, fmt.Errorf("link: raft member %s: %w", address, err)
	}
	return raftConn{s}, nil
}

func (l *raftLayer) handle(_ protocol.ID, rwc io.ReadWriteCloser) error {
	s := rwc.(network.Stream)
	key, err := keyOf(s.Conn().RemotePeer())
	if err != nil {
		return err
	}
	if _, ok := l.member(key); !ok {
		return errors.New("raft is for members of the hub")
	}
	select {
	case l.accepted <- raftConn{s}:
		return nil
	case <-l.ctx.Done():
		return net.ErrClosed
	}
}

// raftConn is a stream as a net.Conn.
type raftConn struct{ network.Stream }

func (c raftConn) LocalAddr() net.Addr  { return peerAddr(c.Conn().LocalPeer()) }
func (c raftConn) RemoteAddr() net.Addr { return peerAddr(c.Conn().RemotePeer()) }

// Close ends both directions: raft's connections have nothing to say at the end.
func (c raftConn) Close() error { return c.Reset() }

// peerAddr is a peer id as a net.Addr.
type peerAddr peer.ID

func (peerAddr) Network() string  { return "libp2p" }
func (a peerAddr) String() string { return peer.ID(a).String() }
