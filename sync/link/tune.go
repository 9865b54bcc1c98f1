package link

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
)

// tuned is a secure transport that makes a TCP connection fit for slow lines before it
// is used. It is where libp2p hands out the connection itself, on both sides.
type tuned struct{ sec.SecureTransport }

func (t tuned) SecureInbound(ctx context.Context, c net.Conn, p peer.ID) (sec.SecureConn, error) {
	if err := tune(c); err != nil {
		return nil, err
	}
	return t.SecureTransport.SecureInbound(ctx, c, p)
}

func (t tuned) SecureOutbound(ctx context.Context, c net.Conn, p peer.ID) (sec.SecureConn, error) {
	if err := tune(c); err != nil {
		return nil, err
	}
	return t.SecureTransport.SecureOutbound(ctx, c, p)
}

// tune turns TCP's own keep-alives off, since yamux has some: libp2p lets both ends
// probe twice a minute, which is half a megabyte a day.
func tune(c net.Conn) error {
	if k, ok := c.(interface{ SetKeepAlive(bool) error }); ok {
		if err := k.SetKeepAlive(false); err != nil {
			return fmt.Errorf("turn TCP's keep-alives off: %w", err)
		}
	}
	return tuneSocket(c)
}

// Keep-alives: each costs some 200 bytes with its answer. What comes puts the next
// one off, so that as long as the dialler's come the listener sends none.
const (
	keepAliveDialler  = 60 * time.Second
	keepAliveListener = 90 * time.Second
	rttInterval       = 24 * time.Hour // yamux measures round trips for windows larger than ours
)

// muxer is yamux for slow lines.
type muxer struct {
	dialler, listener *yamux.Transport
}

func newMuxer(stall time.Duration) muxer {
	return muxer{dialler: newYamux(stall, keepAliveDialler), listener: newYamux(stall, keepAliveListener)}
}

// NewConn implements network.Multiplexer.
func (m muxer) NewConn(c net.Conn, isServer bool, scope network.PeerScope) (network.MuxedConn, error) {
	if isServer {
		return m.listener.NewConn(c, isServer, scope)
	}
	return m.dialler.NewConn(c, isServer, scope)
}
