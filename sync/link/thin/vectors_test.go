package thin

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flynn/noise"
)

var update = flag.Bool("update", false, "write testdata/v1.txt anew")

// The vectors of THIN.md: fixed keys and chance give fixed bytes.
func TestVectors(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	fixed := func(b byte) func(*Config) {
		return func(c *Config) { c.Rand = rand.NewChaCha8([32]byte{b}) }
	}
	w := newWorld(t, 1, model{})
	a, b := w.end("a", addrA, fixed(1)), w.end("b", addrB, fixed(2))
	var got strings.Builder
	line := func(name string, b []byte) { fmt.Fprintf(&got, "%s %s\n", name, hex.EncodeToString(b)) }
	send := func(from, to *end, name string) {
		d, ok := from.e.Next()
		if !ok {
			t.Fatalf("no %s", name)
		}
		line(name, d.B)
		to.e.Receive(now, from.at, d.B)
	}
	l, err := a.e.Dial(now, addrB, peerKey("b"), secret("b").PublicKey())
	must(t, err)
	must(t, l.Write([]byte("resume")))
	l.Flush(now)
	line("caller_secret", secret("a").Bytes())
	line("caller_public", secret("a").PublicKey().Bytes())
	line("called_secret", secret("b").Bytes())
	line("called_public", secret("b").PublicKey().Bytes())
	line("caller_ephemeral_secret", l.handshake.LocalEphemeral().Private)
	line("call_mac_key", macKey(secret("b").PublicKey().Bytes()))
	send(a, b, "call")
	far := b.e.Accept()
	must(t, far.Write([]byte("level")))
	must(t, far.Write([]byte("receipt")))
	ephemeral := far.handshake
	far.Flush(now)
	line("called_ephemeral_secret", ephemeral.LocalEphemeral().Private)
	send(b, a, "answer")
	line("key_to_called", l.send.key[:])
	line("mask_to_called", l.send.mask[:])
	line("key_to_caller", l.recv.key[:])
	for i := range uint32(3) {
		cid := l.send.cid(i)
		line(fmt.Sprintf("cid_to_called_%d", i), cid[:])
	}
	must(t, l.Write([]byte("edit")))
	l.Flush(now)
	send(a, b, "data_one_frame")
	must(t, far.Write([]byte("one")))
	must(t, far.Write(bytes.Repeat([]byte{0xee}, 200)))
	far.Flush(now)
	send(b, a, "data_ack_two_frames")
	flags, plain := (&payload{ack: &ack{largest: 700, delay: 3, got: ^uint64(0b1010)}, controls: []control{{kind: controlChallenge, proof: [8]byte{1, 2, 3}}, {kind: controlPing}}}).encode()
	line("plain_missing_two_challenge_ping", append([]byte{flags}, plain...))
	flags, plain = (&payload{ack: &ack{largest: 700, got: ^uint64(0)}, first: 9, frames: [][]byte{[]byte("receipt")}, patient: true}).encode()
	line("plain_patient_answer", append([]byte{flags}, plain...))
	key := l.send.next()
	line("key_to_called_phase_1", key[:])
	raw, err := addrA.MarshalBinary()
	must(t, err)
	line("cookie_of_zero_secret_10.0.0.1_1000", cookieOf(make([]byte, 32), raw, now, 0))

	const path = "testdata/v1.txt"
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if got.String() != string(want) {
		t.Errorf("the bytes of version 1 have changed:\n%s", got.String())
	}
}

// The handshake is Noise_IK_25519_ChaChaPoly_SHA256 as another reading of it has it:
// package noise alone, without this package's own code.
func TestHandshakeIsPlainNoise(t *testing.T) {
	w := newWorld(t, 1, model{})
	a := w.end("a", addrA)
	l, err := a.e.Dial(w.now, addrB, peerKey("b"), secret("b").PublicKey())
	must(t, err)
	must(t, l.Write([]byte("resume")))
	l.Flush(w.now)
	call, _ := a.e.Next()
	other, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256), Pattern: noise.HandshakeIK,
		Prologue: []byte("vungxa thin 1"), StaticKeypair: noise.DHKey{Private: secret("b").Bytes(), Public: secret("b").PublicKey().Bytes()},
	})
	must(t, err)
	plain, _, _, err := other.ReadMessage(nil, call.B[4:])
	must(t, err)
	if string(plain) != "\x01resume" || !bytes.Equal(other.PeerStatic(), secret("a").PublicKey().Bytes()) {
		t.Errorf("it reads %q", plain)
	}
	message, _, _, err := other.WriteMessage(nil, []byte("\x01level"))
	must(t, err)
	id := callID(call.B[4:])
	a.e.Receive(w.now, addrB, append(append([]byte{typeResponse}, id[:]...), message...))
	if f, ok, _ := l.Read(w.now); !ok || string(f) != "level" {
		t.Errorf("it answers %q", f)
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range []payload{
		{}, {frames: [][]byte{[]byte("a")}}, {first: 7, frames: [][]byte{{1}, bytes.Repeat([]byte{2}, 300)}},
		{ack: &ack{got: ^uint64(0)}, frames: [][]byte{[]byte("a")}, patient: true},
		{ack: &ack{largest: 3, got: ^uint64(5)}, controls: []control{{kind: controlProof}, {kind: controlReset}}},
	} {
		flags, b := p.encode()
		f.Add(flags, b)
	}
	f.Fuzz(func(t *testing.T, flags byte, b []byte) {
		flags &= flagAck | flagMissing | flagSingle | flagList | flagControl
		p, err := decode(flags, b)
		if err != nil {
			return
		}
		again, plain := p.encode()
		if again != flags || !bytes.Equal(plain, b) {
			t.Fatalf("%02x %x is read, and written as %02x %x", flags, b, again, plain)
		}
	})
}

// FuzzReceive gives an endpoint with a line whatever comes.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{typeInitial, 1, 2, 3})
	f.Add([]byte{typeData, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, d []byte) {
		w, _, b, near, far := meet(t)
		cid := near.l.send.cid(0)
		b.e.Receive(w.now, addrC, d)
		b.e.Receive(w.now, addrC, append(append([]byte{typeData}, cid[:]...), d...))
		w.run(time.Second, nil)
		if over, err := far.l.Over(); over {
			t.Fatalf("it ended a line: %v", err)
		}
	})
}

// Windows of packet numbers and acknowledgements, against the plainest form.
func TestWindow(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		var w window
		came, largest := map[uint64]bool{}, uint64(0)
		for range 3000 {
			pn := uint64(max(0, int64(largest)+r.Int64N(300)-280))
			if r.IntN(100) == 0 {
				pn = largest + uint64(r.IntN(1000))
			}
			want := !came[pn] && (len(came) == 0 || pn > largest || largest-pn < replayWindow)
			if w.fresh(pn) != want {
				t.Fatalf("seed %d: fresh(%d) is %v at %d", seed, pn, !want, largest)
			}
			if !want {
				continue
			}
			w.take(pn, time.Time{})
			came[pn], largest = true, max(largest, pn)
			a := w.told(time.Time{})
			for i := range uint64(ackWindow) {
				if got, want := a.got>>i&1 == 1, largest <= i || came[largest-1-i]; got != want {
					t.Fatalf("seed %d: of %d below %d it says %v", seed, i+1, largest, got)
				}
			}
		}
	}
}

func TestNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		about := r.Uint64N(1 << 40)
		n := about + r.Uint64N(0x7fff)
		if r.IntN(2) == 0 && about > 0x8000 {
			n = about - r.Uint64N(0x7fff)
		}
		if got := nearest(about, uint16(n)); got != n {
			t.Fatalf("nearest(%d, %d) is %d; want %d", about, uint16(n), got, n)
		}
	}
}
