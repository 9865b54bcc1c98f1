package bundle_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// costs holds reading to memory in proportion to what is read: of 16 places for readers,
// a key is tried in each.
func costs(t *testing.T, input []byte, read func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10+64*uint64(len(input)) {
		t.Fatalf("%d bytes allocated for %d", n, len(input))
	}
}

// Whatever is read, is told apart without a panic, and costs memory by its length: what
// nobody has vouched for.
func FuzzOpen(f *testing.F) {
	key := keyOf(f, "hub")
	n := newDesk(f, "hub", identity.RoleHub)
	office := newDesk(f, "laptop", identity.RoleLaptop)
	_, err := n.Directory.Add(office.Certificate)
	must(f, err)
	wrote := &bundle.Content{By: office.Claims.Device, Scopes: []crdt.Scope{scope}, Messages: [][]byte{{0x81, 0}}}
	raw, err := bundle.Seal(wrote, []*ecdh.PublicKey{key.PublicKey(), keyOf(f, "x").PublicKey()}, office.sign)
	must(f, err)
	f.Add(raw)
	f.Add(raw[:50])
	f.Add(append([]byte("VXB\x01\x10\xff\xff\xff\xff"), raw[9:]...)) // sixteen readers, and a giant rest
	many := append([]byte("VXB\x01\x10\x00\x00\x00\x50"), bytes.Repeat(raw[9:41], 60)...)
	f.Add(many[:41+80*15+80])
	f.Fuzz(func(t *testing.T, b []byte) {
		var s *bundle.Sealed
		var err error
		costs(t, nil, func() { s, err = bundle.Parse(b) })
		if err != nil {
			return
		}
		if int(binary.BigEndian.Uint32(b[5:])) > len(b) {
			t.Fatal("parsed with its end missing")
		}
		var c *bundle.Content
		costs(t, b, func() { c, err = s.Open(key, n.Directory) })
		if err != nil {
			return
		}
		// The fuzzer's other processes have sealed the same with chance of their own.
		if c.By != wrote.By || !slices.Equal(c.Scopes, wrote.Scopes) || !slices.EqualFunc(c.Messages, wrote.Messages, bytes.Equal) {
			t.Fatalf("opened what nobody wrote: %+v", c)
		}
	})
}

// The same of what a certified device has signed and sealed for this one: its word makes
// nothing cheaper to claim.
func FuzzInside(f *testing.F) {
	key := keyOf(f, "hub")
	n := newDesk(f, "hub", identity.RoleHub)
	office := newDesk(f, "laptop", identity.RoleLaptop)
	_, err := n.Directory.Add(office.Certificate)
	must(f, err)
	body, err := bundle.Body(&bundle.Content{By: office.Claims.Device, Certificate: office.Certificate, Scopes: []crdt.Scope{scope}, Messages: [][]byte{{0x81, 0}}})
	must(f, err)
	f.Add(body)
	f.Add(body[:len(body)-4])
	for _, giant := range []string{"\x9a\xff\xff\xff\xff", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\x5a\xff\xff\xff\xff"} {
		f.Add(append(bytes.Clone(body[:len(body)-4]), giant...)) // as many messages, or bytes of one
		f.Add(append(body[:1:1], giant...))
	}
	f.Add(append(bytes.Clone(body[:len(body)-4]), append([]byte{0x99, 0x40, 0}, bytes.Repeat([]byte{0x40}, 0x4000)...)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		raw, err := bundle.SealBody(b, []*ecdh.PublicKey{key.PublicKey()}, office.sign)
		must(t, err)
		s, err := bundle.Parse(raw)
		must(t, err)
		var c *bundle.Content
		costs(t, raw, func() { c, err = s.Open(key, n.Directory) })
		if err != nil {
			return
		}
		c.Certificate = nil // it is the one that is known where the bundle brings none
		if _, err := bundle.Body(c); err != nil || c.By != office.Claims.Device {
			t.Fatalf("opened, and can't be written: %+v, %v", c, err)
		}
	})
}

// What a body decodes to is what it encodes from.
func FuzzBody(f *testing.F) {
	f.Add([]byte{0x89, 1})
	f.Fuzz(func(t *testing.T, b []byte) { bundle.DecodeBody(b) })
}
