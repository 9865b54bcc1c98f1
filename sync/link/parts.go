package link

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

// Times and limits of the carrier.
const (
	dialTimeout    = 60 * time.Second // a satellite's round trips, and a busy modem
	connectTimeout = 30 * time.Second // of these, for TCP alone

	windowBytesMax   = 1 << 20 // unread bytes of a stream
	connsPerPeer     = 4
	streamsPerPeer   = 16
	streamBytesMax   = 2 << 20 // accounted to a stream: its windows
	unprovedConnsMax = 256     // connections whose key isn't proved yet, and at most half of all
)

// parts are what a libp2p host is assembled from here.
type parts struct {
	swarm  *swarm.Swarm
	peers  peerstore.Peerstore
	limits network.ResourceManager
	gate   *gate
}

func assemble(c Config) (*parts, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("peer key: %w", err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("peer key: %w", err)
	}
	p := &parts{gate: &gate{config: c}}
	if p.limits, err = newLimits(c.MaxConns); err != nil {
		return nil, err
	}
	if p.peers, err = pstoremem.NewPeerstore(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	// The black hole detectors would refuse to dial what failed often: replica's business.
	p.swarm, err = swarm.NewSwarm(id, p.peers, eventbus.NewBus(),
		swarm.WithConnectionGater(p.gate), swarm.WithResourceManager(p.limits),
		swarm.WithDialTimeout(dialTimeout), swarm.WithDialTimeoutLocal(dialTimeout),
		swarm.WithUDPBlackHoleSuccessCounter(nil), swarm.WithIPv6BlackHoleSuccessCounter(nil))
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.addTCP(key, c.Stall); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// addTCP adds TCP with Noise and yamux. The port isn't shared with other sockets:
// then a second copy would listen beside the first, and neither be told.
func (p *parts) addTCP(key crypto.PrivKey, stall time.Duration) error {
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: newMuxer(stall)}}
	secure, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		return err
	}
	up, err := upgrader.New([]sec.SecureTransport{tuned{secure}}, muxers, nil, p.limits, p.gate, upgrader.WithAcceptTimeout(dialTimeout))
	if err != nil {
		return err
	}
	t, err := tcp.NewTCPTransport(up, p.limits, nil, tcp.DisableReuseport(), tcp.WithConnectionTimeout(connectTimeout))
	if err != nil {
		return err
	}
	return p.swarm.AddTransport(t)
}

// newYamux is yamux where a write may take as long as a line may stand still, and
// windows are small, since memory is.
func newYamux(stall, keepAlive time.Duration) *yamux.Transport {
	c := *yamux.DefaultTransport.Config()
	c.ConnectionWriteTimeout = stall
	c.KeepAliveInterval = keepAlive
	c.MeasureRTTInterval = rttInterval
	c.MaxStreamWindowSize = windowBytesMax
	c.LogOutput = io.Discard
	return (*yamux.Transport)(&c)
}

// newLimits bounds what all peers, each peer, and those that haven't proved their
// key may take. A whole province may come from behind one address, so addresses
// get more than libp2p's 8 connections.
func newLimits(conns int) (network.ResourceManager, error) {
	streams := conns * 2
	system := rcmgr.ResourceLimits{
		Conns: rcmgr.LimitVal(conns), ConnsInbound: rcmgr.LimitVal(conns), ConnsOutbound: rcmgr.LimitVal(conns), FD: rcmgr.LimitVal(conns),
		Streams: rcmgr.LimitVal(streams), StreamsInbound: rcmgr.LimitVal(streams), StreamsOutbound: rcmgr.LimitVal(streams),
		Memory: rcmgr.LimitVal64(int64(streams) * streamBytesMax),
	}
	unproved := system
	n := rcmgr.LimitVal(min(max(conns/2, 1), unprovedConnsMax))
	unproved.Conns, unproved.ConnsInbound, unproved.ConnsOutbound, unproved.FD = n, n, n, n
	config := rcmgr.PartialLimitConfig{
		System: system, Transient: unproved,
		PeerDefault: rcmgr.ResourceLimits{
			Conns: connsPerPeer, ConnsInbound: connsPerPeer, ConnsOutbound: connsPerPeer, FD: connsPerPeer,
			Streams: streamsPerPeer, StreamsInbound: streamsPerPeer, StreamsOutbound: streamsPerPeer,
			Memory: streamsPerPeer * streamBytesMax,
		},
	}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(config.Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(), rcmgr.WithConnRateLimiters(newRate()),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: conns}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: conns}}))
}

// newRate bounds how many connections an address begins in a second.
func newRate() *rate.Limiter {
	perAddress := rate.Limit{RPS: 20, Burst: 256}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}, // no limit
		},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: perAddress}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: perAddress}},
			GracePeriod:      time.Minute,
		},
	}
}

// Close ends what was assembled so far.
func (p *parts) Close() error {
	var errs []error
	if p.swarm != nil {
		errs = append(errs, p.swarm.Close())
	}
	if p.peers != nil {
		errs = append(errs, p.peers.Close())
	}
	return errors.Join(append(errs, p.limits.Close())...)
}

// gate lets a connection live when its key is allowed: before the dial, and again
// when Noise has proved the key, in both directions.
type gate struct {
	config Config
}

func (g *gate) allows(id peer.ID) bool {
	key, err := keyOf(id)
	return err == nil && g.config.Allow(key)
}

func (g *gate) InterceptPeerDial(id peer.ID) bool                 { return g.allows(id) }
func (g *gate) InterceptAddrDial(id peer.ID, _ ma.Multiaddr) bool { return g.allows(id) }

// InterceptAccept knows no key yet; the limits hold.
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

func (g *gate) InterceptSecured(_ network.Direction, id peer.ID, addrs network.ConnMultiaddrs) bool {
	if g.allows(id) {
		return true
	}
	g.config.Log.Info("connection refused: its key has no certificate here", "peer", id.String(), "addr", addrs.RemoteMultiaddr().String())
	return false
}

func (g *gate) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.allows(c.RemotePeer()), 0
}
