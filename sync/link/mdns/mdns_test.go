package mdns

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func key(name string) ed25519.PublicKey {
	seed := sha256.Sum256([]byte("vungxa test peer " + name))
	return ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
}

func named(t *testing.T, nonce byte, name string) string {
	t.Helper()
	n, err := newName(key(name), bytes.NewReader(bytes.Repeat([]byte{nonce}, nonceBytes)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// deaf is a service without a network, that knows some devices and notes what is found.
func deaf(t *testing.T, found *[]string, known ...string) *service {
	t.Helper()
	return &service{name: named(t, 9, "self"), Config: Config{
		Known: func() (keys []ed25519.PublicKey) {
			for _, n := range known {
				keys = append(keys, key(n))
			}
			return keys
		},
		Found: func(k ed25519.PublicKey, at string) {
			for _, n := range known {
				if k.Equal(key(n)) {
					*found = append(*found, n+" "+at)
				}
			}
		},
		Log: slog.New(slog.DiscardHandler),
	}}
}

func pack(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestTake(t *testing.T) {
	must, from := pack(t), net.IPv4(192, 168, 1, 7)
	var found []string
	s := deaf(t, &found, "box", "laptop")
	for name, c := range map[string]struct {
		packet []byte
		asked  bool
		found  string
	}{
		"a device with a certificate": {must(answer(named(t, 1, "box"), 8703)), false, "box 192.168.1.7:8703"},
		"the same after a new start":  {must(answer(named(t, 2, "box"), 8704)), false, "box 192.168.1.7:8704"},
		"written large":               {must(answer(strings.ToUpper(named(t, 1, "laptop")), 1)), false, "laptop 192.168.1.7:1"},
		"a device without":            {must(answer(named(t, 1, "stranger"), 8703)), false, ""},
		"ourselves":                   {must(answer(s.name, 8703)), false, ""},
		"no port":                     {must(answer(named(t, 1, "box"), 0)), false, ""},
		"a name of another making":    {must(answer("box", 8703)), false, ""},
		"a question":                  {must(question()), true, ""},
		"a question for something else": {must((&dnsmessage.Message{Questions: []dnsmessage.Question{
			{Name: dnsmessage.MustNewName("_ipp._tcp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET},
		}}).Pack()), false, ""},
		"no message": {[]byte("hello"), false, ""},
	} {
		found, s.count = nil, 0
		if asked := s.take(heard{from, c.packet}); asked != c.asked || strings.Join(found, ", ") != c.found {
			t.Errorf("%s: asked %v, found %q; want %v, %q", name, asked, found, c.asked, c.found)
		}
	}
}

// What is announced says who it is to those who hold the certificate, and to nobody else
// that it is the device of another day.
func TestNothingPersonal(t *testing.T) {
	b := pack(t)(answer(named(t, 1, "box"), 8703))
	k := key("box")
	for what, secret := range map[string][]byte{"the key": k, "the key in words": []byte(hex.EncodeToString(k)), "part of the key": k[:8]} {
		if bytes.Contains(b, secret) {
			t.Errorf("the announcement has %s in it", what)
		}
	}
	one, two := named(t, 1, "box"), named(t, 2, "box")
	if one[2*nonceBytes:] == two[2*nonceBytes:] {
		t.Error("two starts have the same name")
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		t.Fatal(err)
	}
	if len(m.Answers)+len(m.Additionals) != 3 {
		t.Errorf("the announcement has %d records; want a pointer, a service and an empty text", len(m.Answers)+len(m.Additionals))
	}
}

// A flood is looked at only so far.
func TestFlood(t *testing.T) {
	var found []string
	s := deaf(t, &found, "box")
	b := pack(t)(answer(named(t, 1, "box"), 8703))
	for range 10 * perSecond {
		s.take(heard{net.IPv4(10, 0, 0, 1), b})
	}
	if len(found) != perSecond {
		t.Errorf("%d packets were looked at; want %d", len(found), perSecond)
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := deaf(t, nil).Config
	c.Key, c.Port, c.Rand = key("self"), 8703, bytes.NewReader(make([]byte, nonceBytes))
	if err := Run(ctx, c); err != nil {
		t.Error(err)
	}
	c.Rand = bytes.NewReader(nil)
	if err := Run(ctx, c); err == nil {
		t.Error("a name was made without chance")
	}
}

func FuzzParse(f *testing.F) {
	for _, make := range []func() ([]byte, error){question, func() ([]byte, error) { return answer("00112233445566778899aabbccddeeff", 8703) }} {
		b, err := make()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		asked, name, port := parse(b)
		if asked && port != 0 {
			t.Errorf("a question that announces %q at %d", name, port)
		}
	})
}
