package thin

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/flynn/noise"
	"golang.org/x/crypto/chacha20"
)

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

// prologue is what both sides take for granted; another version has another one.
var prologue = []byte("vungxa thin 1")

func derive(key []byte, label string, more ...byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(label))
	h.Write(more)
	return h.Sum(nil)
}

// static is one of this device's keys.
type static struct {
	pair noise.DHKey
	mac  []byte // key of the macs of calls to it
}

func newStatic(k *ecdh.PrivateKey) static {
	public := k.PublicKey().Bytes()
	return static{pair: noise.DHKey{Private: k.Bytes(), Public: public}, mac: macKey(public)}
}

// macKey is known to whoever knows whom it calls.
func macKey(public []byte) []byte { return derive(public, "vungxa thin mac") }

// callMAC lets a called device throw away what isn't for it before it computes.
func callMAC(key, message []byte) [macBytes]byte {
	return [macBytes]byte(derive(key, "call", message...))
}

// callID names a call in its answers.
func callID(message []byte) [idBytes]byte {
	h := sha256.Sum256(message)
	return [idBytes]byte(h[:])
}

// cookieOf is what an address gets that is to show that it is one.
func cookieOf(secret []byte, address []byte, now time.Time, age int) []byte {
	epoch := now.UnixNano()/int64(cookieLife) - int64(age)
	return derive(secret, "cookie", binary.BigEndian.AppendUint64(address, uint64(epoch))...)[:cookieBytes]
}

// direction is what one side sends: its keys over time, and the names of its paths.
type direction struct {
	key    [keyBytes]byte
	cipher noise.Cipher
	mask   [keyBytes]byte
	names  []byte
	phase  byte // 0 or flagPhase
	since  uint64
	at     time.Time // of the phase's beginning
	acked  bool      // a packet of this phase is known to have arrived

	before      noise.Cipher // of the phase before; nil: none
	beforePhase byte
}

func newDirection(key [keyBytes]byte, now time.Time) *direction {
	d := &direction{key: key, at: now, cipher: suite.Cipher(key), names: derive(key[:], "vungxa thin names")}
	copy(d.mask[:], derive(key[:], "vungxa thin mask"))
	return d
}

// cid is the connection id of a path.
func (d *direction) cid(path uint32) [cidBytes]byte {
	return [cidBytes]byte(derive(d.names, "", binary.BigEndian.AppendUint32(nil, path)...))
}

// next is the key of the phase after this one (Noise, section 4.2: REKEY).
func (d *direction) next() [keyBytes]byte {
	c := noise.UnsafeNewCipherState(suite, d.key, 0)
	c.Rekey()
	return c.UnsafeKey()
}

// turn begins the next phase with the packet pn.
func (d *direction) turn(key [keyBytes]byte, pn uint64, now time.Time) {
	d.before, d.beforePhase = d.cipher, d.phase
	d.key, d.cipher = key, suite.Cipher(key)
	d.phase, d.since, d.at, d.acked = d.phase^flagPhase, pn, now, false
}

// hide masks the flags and the packet number, by the packet's own tag.
func (d *direction) hide(packet []byte) {
	sample := packet[len(packet)-tagBytes:]
	c, err := chacha20.NewUnauthenticatedCipher(d.mask[:], sample[4:])
	if err != nil {
		panic(err) // the lengths are right
	}
	c.SetCounter(binary.LittleEndian.Uint32(sample) &^ (1 << 31)) // far from its end
	var m [1 + pnBytes]byte
	c.XORKeyStream(m[:], m[:])
	packet[0] ^= m[0] &^ typeMask
	for i := range pnBytes {
		packet[1+cidBytes+i] ^= m[1+i]
	}
}

// seal makes a data packet.
func (d *direction) seal(path uint32, pn uint64, flags byte, plain []byte) []byte {
	cid := d.cid(path)
	b := append([]byte{typeData | d.phase | flags}, cid[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(pn))
	b = d.cipher.Encrypt(b, pn, b, plain)
	d.hide(b)
	return b
}

// open reads a data packet whose mask is taken away. turned says that it was the
// first of the next phase.
func (d *direction) open(b []byte, pn uint64, now time.Time) (plain []byte, ok bool) {
	head, sealed := b[:1+cidBytes+pnBytes], b[1+cidBytes+pnBytes:]
	phase := b[0] & flagPhase
	if phase == d.phase {
		plain, err := d.cipher.Decrypt(nil, pn, head, sealed)
		return plain, err == nil
	}
	if pn < d.since {
		if d.before == nil {
			return nil, false
		}
		plain, err := d.before.Decrypt(nil, pn, head, sealed)
		return plain, err == nil
	}
	key := d.next()
	plain, err := suite.Cipher(key).Decrypt(nil, pn, head, sealed)
	if err != nil {
		return nil, false
	}
	d.turn(key, pn, now)
	return plain, true
}

// forget drops the key before once no packet under it would be taken.
func (d *direction) forget(largest uint64) {
	if d.before != nil && largest > d.since+replayWindow {
		d.before = nil
	}
}
