package thin

import (
	"encoding/binary"
	"errors"
)

// The first two bits of a datagram say what it is. Of a data packet the other six are
// flags, masked on the line; else they are zero but for withCookie.
const (
	typeMask     = 0xc0
	typeInitial  = 0x00
	typeResponse = 0x40
	typeRetry    = 0x80
	typeData     = 0xc0

	withCookie = 0x01

	flagPhase   = 0x20 // which of two keys
	flagAck     = 0x10
	flagMissing = 0x08 // the acknowledgement has a bitmap
	flagSingle  = 0x04 // one frame, to the end; with flagList: it is patient
	flagList    = 0x02 // frames with their lengths
	flagControl = 0x01
)

// Lengths, in bytes.
const (
	macBytes    = 3
	idBytes     = 3
	cookieBytes = 16
	cidBytes    = 4
	pnBytes     = 2
	tagBytes    = 16
	keyBytes    = 32

	initialBytes  = 1 + macBytes + keyBytes + keyBytes + tagBytes + tagBytes // with nothing in it
	responseBytes = 1 + idBytes + keyBytes + tagBytes
	retryBytes    = 1 + idBytes + cookieBytes
	dataBytes     = 1 + cidBytes + pnBytes + tagBytes
	proofBytes    = 8 // of a challenge
)

// The form of what travels in a handshake: which frames follow it.
const (
	formNone    = 0
	formSingle  = 1
	formList    = 2
	formConfirm = 0x80 // in a response: say that you are there before I believe it
)

// Controls. One that isn't the last of a packet has the high bit.
const (
	controlPing      = 0
	controlChallenge = 1 // and 8 bytes
	controlProof     = 2 // the same 8 bytes
	controlReset     = 3
	controlMore      = 0x80
)

var errPacket = errors.New("not a packet of this protocol")

// ack tells what arrived: the largest number, and of the 64 below it those that did
// (bit i: largest-1-i). delay is how long the largest has waited, in 8 ms.
type ack struct {
	largest uint16
	delay   byte
	got     uint64
}

// control is one control of a packet.
type control struct {
	kind  byte
	proof [proofBytes]byte
}

// payload is what a data packet carries.
type payload struct {
	ack      *ack
	controls []control
	first    uint16 // number of the first frame
	frames   [][]byte
	patient  bool // the one frame needn't be acknowledged soon
}

// eliciting says whether the packet asks for an acknowledgement.
func (p *payload) eliciting() bool {
	for _, c := range p.controls {
		if c.kind == controlPing || c.kind == controlChallenge {
			return true
		}
	}
	return len(p.frames) > 0
}

// encode gives the flags and the bytes.
func (p *payload) encode() (flags byte, b []byte) {
	if p.ack != nil {
		flags |= flagAck
		b = append(binary.BigEndian.AppendUint16(b, p.ack.largest), p.ack.delay)
		if p.ack.got != ^uint64(0) {
			flags |= flagMissing
			b = appendBitmap(b, p.ack.got)
		}
	}
	for i, c := range p.controls {
		flags |= flagControl
		kind := c.kind
		if i < len(p.controls)-1 {
			kind |= controlMore
		}
		b = append(b, kind)
		if hasProof(c.kind) {
			b = append(b, c.proof[:]...)
		}
	}
	if len(p.frames) > 0 {
		b = binary.BigEndian.AppendUint16(b, p.first)
	}
	form, b := appendFrames(b, p.frames)
	if p.patient {
		flags |= flagList
	}
	return flags | [...]byte{formNone: 0, formSingle: flagSingle, formList: flagList}[form], b
}

// appendBitmap leaves out the end where all has arrived.
func appendBitmap(b []byte, got uint64) []byte {
	n := 8
	for n > 1 && byte(got>>(8*(n-1))) == 0xff {
		n--
	}
	b = append(b, byte(n))
	for i := range n {
		b = append(b, byte(got>>(8*i)))
	}
	return b
}

// appendFrames gives the form and appends the frames; a single one has no length.
func appendFrames(b []byte, frames [][]byte) (form byte, _ []byte) {
	switch len(frames) {
	case 0:
		return formNone, b
	case 1:
		return formSingle, append(b, frames[0]...)
	}
	for _, f := range frames {
		b = append(appendLength(b, len(f)), f...)
	}
	return formList, b
}

// appendLength writes one byte up to 127, else two.
func appendLength(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	return append(b, 0x80|byte(n>>8), byte(n))
}

// framedBytes is how much a frame takes in a list.
func framedBytes(n int) int {
	if n < 0x80 {
		return n + 1
	}
	return n + 2
}

func hasProof(kind byte) bool { return kind == controlChallenge || kind == controlProof }

// decode reads what encode writes, and nothing else. What it returns shares b.
func decode(flags byte, b []byte) (p payload, err error) {
	p.patient = flags&(flagSingle|flagList) == flagSingle|flagList
	if (p.patient || flags&flagMissing != 0) && flags&flagAck == 0 {
		return p, errPacket
	}
	if flags&flagAck != 0 {
		if b, err = p.decodeAck(b, flags&flagMissing != 0); err != nil {
			return p, err
		}
	}
	if flags&flagControl != 0 {
		if b, err = p.decodeControls(b); err != nil {
			return p, err
		}
	}
	form := byte(formNone)
	switch {
	case flags&flagSingle != 0:
		form = formSingle
	case flags&flagList != 0:
		form = formList
	}
	if form != formNone {
		if len(b) < 2 {
			return p, errPacket
		}
		p.first, b = binary.BigEndian.Uint16(b), b[2:]
	}
	p.frames, err = decodeFrames(form, b)
	return p, err
}

func (p *payload) decodeAck(b []byte, missing bool) ([]byte, error) {
	if len(b) < 3 {
		return nil, errPacket
	}
	p.ack = &ack{largest: binary.BigEndian.Uint16(b), delay: b[2], got: ^uint64(0)}
	b = b[3:]
	if !missing {
		return b, nil
	}
	if len(b) < 1 || b[0] < 1 || b[0] > 8 || len(b) < 1+int(b[0]) {
		return nil, errPacket
	}
	n := int(b[0])
	for i := range n {
		p.ack.got &^= uint64(^b[1+i]) << (8 * i)
	}
	if p.ack.got == ^uint64(0) || n > 1 && b[n] == 0xff {
		return nil, errPacket // one meaning has one form
	}
	return b[1+n:], nil
}

func (p *payload) decodeControls(b []byte) ([]byte, error) {
	for more := true; more; {
		if len(b) < 1 || len(p.controls) == 4 {
			return nil, errPacket
		}
		c := control{kind: b[0] &^ controlMore}
		more, b = b[0]&controlMore != 0, b[1:]
		if c.kind > controlReset {
			return nil, errPacket
		}
		if hasProof(c.kind) {
			if len(b) < proofBytes {
				return nil, errPacket
			}
			c.proof, b = [proofBytes]byte(b), b[proofBytes:]
		}
		p.controls = append(p.controls, c)
	}
	return b, nil
}

// decodeFrames reads all of b. An empty frame says that none follows it.
func decodeFrames(form byte, b []byte) (frames [][]byte, err error) {
	switch form {
	case formNone:
		if len(b) > 0 {
			return nil, errPacket
		}
		return nil, nil
	case formSingle:
		if len(b) > MaxFrame {
			return nil, errPacket
		}
		return [][]byte{b}, nil
	case formList:
	default:
		return nil, errPacket
	}
	for len(b) > 0 {
		n, rest, err := decodeLength(b)
		if err != nil || n > len(rest) || n > MaxFrame || len(frames) == maxPacketFrames {
			return nil, errPacket
		}
		frames, b = append(frames, rest[:n]), rest[n:]
	}
	if len(frames) < 2 {
		return nil, errPacket
	}
	return frames, nil
}

func decodeLength(b []byte) (n int, rest []byte, err error) {
	if b[0] < 0x80 {
		return int(b[0]), b[1:], nil
	}
	if len(b) < 2 {
		return 0, nil, errPacket
	}
	n = int(b[0]&0x7f)<<8 | int(b[1])
	if n < 0x80 {
		return 0, nil, errPacket
	}
	return n, b[2:], nil
}

// nearest gives the number closest to about that ends in low.
func nearest(about uint64, low uint16) uint64 {
	n := about&^0xffff | uint64(low)
	switch {
	case n+0x8000 < about:
		return n + 0x10000
	case n > about+0x8000 && n >= 0x10000:
		return n - 0x10000
	}
	return n
}
