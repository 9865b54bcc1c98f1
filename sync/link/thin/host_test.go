package thin

import (
	"context"
	"crypto/ecdh"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/sync/identity"
)

var errDown = errors.New("the network is down")

// flaky is a socket that can't be read so many times.
type flaky struct {
	*wireless
	bad int
}

func (s *flaky) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if s.bad > 0 {
		s.bad--
		return 0, netip.AddrPort{}, errDown
	}
	return s.wireless.ReadFromUDPAddrPort(b)
}

// A socket that can't be read is told of, and is read again when it can.
func TestSocketComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAir(1, model{delay: time.Millisecond})
		box, hub := newStation(t, a, "box", identity.RoleBox, addrA), newStation(t, a, "hub", identity.RoleHub, addrB)
		join(t, box, hub)
		h, err := newHost(HostConfig{
			Keys: []*ecdh.PrivateKey{hub.key}, Directory: hub.node.Directory, Now: time.Now, Rand: rand.NewChaCha8([32]byte{1}),
		}, &flaky{hub.socket, 3*badReads + 1})
		must(t, err)
		if _, err := h.Accept(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("got %v; want %v", err, errDown)
		}
		box.start()
		for err = errDown; errors.Is(err, errDown); {
			_, err = h.Accept(t.Context())
		}
		must(t, err)
		box.halt()
		must(t, h.Close())
		if _, err := h.Accept(context.Background()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v; want %v", err, net.ErrClosed)
		}
	})
}
