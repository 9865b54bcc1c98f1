// Package mdns lets devices of one office find each other on its network, with no
// Internet and nothing to configure: DNS-SD over multicast DNS (RFC 6762, 6763), the
// service _vungxa._tcp in the domain local.
//
// What is announced is a name, a port and the sender's address. The name is made anew
// at each start: eight bytes of chance, and eight of the SHA-256 over these and the
// device's peer key. Who holds the device's certificate recognises it; to others it
// tells that a node is here, not whose, and not that it is the one of yesterday.
//
// Nothing that is found is believed. It says where a peer of a known key may be called,
// and the call proves the key or fails. Announcements are read from the local network
// only, so many a second, and nothing is kept of them.
//
// A library that does all of mDNS was weighed and left: those at hand announce the
// machine's name, keep what anyone announces for as long as he says, and don't notice
// that a laptop has changed its network.
package mdns

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// Config says who announces itself, and what to do with what is found.
type Config struct {
	Key   ed25519.PublicKey                     // this device's peer key
	Port  uint16                                // where it is to be called
	Known func() []ed25519.PublicKey            // peer keys of the devices whose certificates are here
	Found func(key ed25519.PublicKey, a string) // a device was heard at host:port; called from one goroutine
	Rand  io.Reader
	Log   *slog.Logger
}

// How often others are asked for: soon after the start, then so that a laptop that is
// carried in is found before its officer wonders.
const (
	askFirst  = time.Second
	askAtMost = 30 * time.Second
)

// perSecond is how many packets are looked at in a second.
const perSecond = 32

const (
	nonceBytes = 8
	nameBytes  = 2 * nonceBytes
)

// Run announces and asks until ctx ends, which is no error. A machine without a network
// waits for one.
func Run(ctx context.Context, c Config) error {
	name, err := newName(c.Key, c.Rand)
	if err != nil {
		return fmt.Errorf("mdns: %w", err)
	}
	s := &service{Config: c, name: name, heard: make(chan heard, perSecond)}
	defer s.close()
	s.run(ctx)
	return nil
}

func newName(key ed25519.PublicKey, rand io.Reader) (string, error) {
	nonce := make([]byte, nonceBytes)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return "", err
	}
	return nameOf(nonce, key), nil
}

// nameOf is the name that a device has with a nonce.
func nameOf(nonce []byte, key ed25519.PublicKey) string {
	sum := sha256.Sum256(append(append([]byte("vungxa mdns 1\x00"), nonce...), key...))
	return hex.EncodeToString(nonce) + hex.EncodeToString(sum[:nameBytes-nonceBytes])
}

// service is a run.
type service struct {
	Config
	name  string
	heard chan heard
	port  *port // nil while there is no network
	count int   // packets looked at in this second
}

// heard is a packet of the local network.
type heard struct {
	from net.IP
	b    []byte
}

func (s *service) run(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	wait, answered := askFirst, false
	ask := time.NewTimer(0)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			s.count, answered = 0, false
		case <-ask.C:
			if s.listen() {
				wait = askFirst // another network: others are told at once
			}
			s.say(question())
			s.say(answer(s.name, s.Port))
			ask.Reset(wait)
			wait = min(2*wait, askAtMost)
		case h := <-s.heard:
			if s.take(h) && !answered {
				answered = true
				s.say(answer(s.name, s.Port))
			}
		}
	}
}

// listen opens the port, and joins what interfaces there are now. It says whether there
// are others than before.
func (s *service) listen() (changed bool) {
	if s.port != nil && s.port.ended() { // its network has gone
		s.port.close()
		s.port = nil
	}
	interfaces := local()
	if s.port == nil && len(interfaces) > 0 {
		p, err := open(interfaces[0])
		if err != nil {
			s.Log.Debug("multicast DNS is not to be had", "error", err)
			return false
		}
		s.port = p
		go p.read(s.heard)
	}
	if s.port == nil {
		return false
	}
	return s.port.join(interfaces)
}

// say sends a message to all local networks. A network that takes none has none to hear it.
func (s *service) say(message []byte, err error) {
	if s.port == nil {
		return
	}
	if err == nil {
		err = s.port.write(message)
	}
	if err != nil {
		s.Log.Debug("multicast DNS was not sent", "error", err)
	}
}

// take looks at a packet, and says whether it asks for us.
func (s *service) take(h heard) (asked bool) {
	if s.count++; s.count > perSecond {
		return false
	}
	asked, name, port := parse(h.b)
	if port == 0 || name == s.name {
		return asked
	}
	if key := s.whose(name); key != nil {
		s.Found(key, net.JoinHostPort(h.from.String(), strconv.Itoa(int(port))))
	}
	return asked
}

// whose is the known key of which a name was made; nil: of none.
func (s *service) whose(name string) ed25519.PublicKey {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != nameBytes {
		return nil
	}
	for _, key := range s.Known() {
		if nameOf(b[:nonceBytes], key) == name {
			return key
		}
	}
	return nil
}

func (s *service) close() {
	if s.port != nil {
		s.port.close()
	}
}
