//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	libp2p "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multistream"

	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// garbage writes to the port what is no connection.
func (v *victim) garbage(t *testing.T) {
	conn, err := net.Dial("tcp", v.sync)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"+strings.Repeat("\xff", 4096)); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection stays open")
	}
	if len(said) > 64 { // the name of its first protocol
		t.Errorf("it answered %d bytes", len(said))
	}
}

func (v *victim) unknownKey(t *testing.T) {
	_, conn, err := v.dial(t, memlog.Key("nobody"))
	if !errors.Is(err, link.ErrRefused) {
		t.Errorf("dialling gives %v, %v; want a refusal", conn, err)
	}
	v.notes(t, "its key has no certificate here")
}

// unlisted is certified and known, but nobody expects it to call.
func (v *victim) unlisted(t *testing.T) {
	_, conn, err := v.dial(t, v.abroad.Keys.Peer)
	if err == nil {
		_, err = conn.ReadFrame()
	}
	if err == nil {
		t.Error("it was given a frame")
	}
	v.notes(t, "not on the list of peers")
}

// notes waits until the victim's log holds a sentence.
func (v *victim) notes(t *testing.T, sentence string) {
	t.Helper()
	eventually(t, "the reason in the log", func() error {
		if !strings.Contains(v.log.String(), sentence) {
			return fmt.Errorf("the log is %s", v.log.String())
		}
		return nil
	})
}

// oversized announces a frame of 65,535 bytes, below what package link would send.
func (v *victim) oversized(t *testing.T) {
	s := v.stream(t)
	if _, err := s.Write([]byte{0xff, 0xff, 'x'}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, s) // its hello may come before the end
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the stream stays open")
	}
	v.notes(t, link.ErrFrameSize.Error())
}

// stream is a stream of the sync protocol under the thief's key, with nothing of
// package link on this side.
func (v *victim) stream(t *testing.T) network.MuxedStream {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(v.thief.Keys.Peer)
	must(err)
	victimKey, err := crypto.UnmarshalEd25519PublicKey(identity.Public(v.self.Keys.Peer))
	must(err)
	id, err := libp2p.IDFromPublicKey(victimKey)
	must(err)
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	secure, err := noise.New(noise.ID, key, muxers)
	must(err)
	up, err := upgrader.New([]sec.SecureTransport{secure}, muxers, nil, nil, nil)
	must(err)
	dialer, err := tcp.NewTCPTransport(up, nil, nil)
	must(err)
	host, port, err := net.SplitHostPort(v.sync)
	must(err)
	at, err := ma.NewMultiaddr("/ip4/" + host + "/tcp/" + port)
	must(err)
	conn, err := dialer.Dial(t.Context(), at, id)
	must(err)
	t.Cleanup(func() { _ = conn.Close() }) // the victim may have closed it
	s, err := conn.OpenStream(t.Context())
	must(err)
	_, err = multistream.SelectOneOf([]string{"/vungxa/sync/1"}, s)
	must(err)
	return s
}
