package wire

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// class names a column: what stands in one is alike.
type class uint32

// stream is a run of numbers, texts and raw bits, to be written or read in one
// order: what is written from *v by one is read into *v by another.
type stream interface {
	num(c class, v *uint64)
	text(c class, v *[]byte) // of any bytes but 0
	bits(n int, v *uint64)   // what no model would guess; n is at most 64
	failed() error
	ended() error // whether what was read has been read to its end
}

// mixedUnits bounds what a mixed stream holds: bytes of texts and numbers, and
// sixteens of raw bits.
const mixedUnits = 24 << 10

// mixedBits bounds the bits that the predictor guesses: a number is one unit, and
// of up to 127 of them. An operation whose value is a number of 64 bits has, with
// all that is said of it beside, fewer than 24 a unit.
const mixedBits = 24 * mixedUnits

// mixed is a stream through the predictor and the range coder.
type mixed struct {
	p       *predictor
	coder   rangeCoder
	reading bool
	columns map[class]*column
	units   int
	guessed int // bits
	err     error
}

// column is what was last seen in one: the last two numbers; or the last four
// bytes of text, and all of this text.
type column struct{ last, before uint32 }

func newMixWriter(p *predictor) *mixed {
	m := &mixed{p: p, columns: map[class]*column{}}
	m.coder.begin(nil)
	return m
}

func newMixReader(p *predictor, b []byte) *mixed {
	m := newMixWriter(p)
	m.reading, m.coder.at, m.coder.short = true, 0, 0
	m.coder.begin(b)
	return m
}

func (m *mixed) failed() error { return m.err }

func (m *mixed) ended() error {
	if len(m.coder.in) > 0 || m.coder.short > 4 {
		return fmt.Errorf("%w: %d bytes after a mixed body, %d read past its end", ErrFormat, len(m.coder.in), m.coder.short)
	}
	return m.err
}

// spend counts what was coded, and ends a stream that is too long or, when it is
// read, that has ended.
func (m *mixed) spend(units int) {
	m.units += units
	if m.err == nil && (m.units > mixedUnits || m.guessed > mixedBits || m.coder.short > 4) {
		m.err = fmt.Errorf("%w: a mixed body that is too long, or ends too early", ErrFormat)
	}
}

func (m *mixed) column(c class) *column {
	if m.columns[c] == nil {
		m.columns[c] = &column{}
	}
	return m.columns[c]
}

func (m *mixed) bit(of int, contexts []uint32, node uint32, expects int, bit uint32) uint32 {
	m.guessed++
	q := m.p.ask(of, contexts, node, expects)
	if m.reading {
		bit = m.coder.read(q.guess)
	} else {
		m.coder.write(bit, q.guess)
	}
	q.learn(bit)
	return bit
}

// num codes a number as its length in bits, in unary, and the bits below its
// highest, highest first.
func (m *mixed) num(c class, v *uint64) {
	if m.spend(1); m.err != nil {
		*v = 0
		return
	}
	col := m.column(c)
	contexts := []uint32{
		scramble(uint32(c), 1), scramble(scramble(uint32(c), 2), col.last), scramble(scramble(scramble(uint32(c), 3), col.last), col.before),
	}
	length := m.length(contexts, bits.Len64(*v))
	value := uint64(min(length, 1))
	for i := length - 2; i >= 0; i-- {
		// Past the eleventh bit of a number, only the place of a bit is its context.
		node := uint32(length)<<16 | uint32(value)
		if value >= 1<<11 {
			node = uint32(length)<<16 | 1<<12 | uint32(i)
		}
		bit := m.bit(ofNumbers, contexts, node, -1, uint32(*v>>i&1))
		value = value<<1 | uint64(bit)
	}
	*v = value
	col.last, col.before = scramble(uint32(value), uint32(value>>32)), col.last
}

func (m *mixed) length(contexts []uint32, length int) int {
	for n := range 64 {
		more := uint32(0)
		if n < length {
			more = 1
		}
		if m.bit(ofNumbers, contexts, 1<<31|uint32(n), -1, more) == 0 {
			return n
		}
	}
	return 64
}

// text codes bytes up to a 0, the highest bit of each first.
func (m *mixed) text(c class, v *[]byte) {
	var read []byte
	for i := 0; ; i++ {
		b := uint32(0)
		if !m.reading && i < len(*v) {
			b = uint32((*v)[i])
		}
		b = m.textByte(c, b)
		if m.err != nil || b == 0 {
			break
		}
		read = append(read, byte(b))
	}
	*v = read
}

func (m *mixed) textByte(c class, b uint32) uint32 {
	if m.spend(1); m.err != nil {
		return 0
	}
	col := m.column(c)
	h := col.last
	contexts := []uint32{
		scramble(uint32(c), 11), scramble(h&0xff, 12), scramble(h&0xffff, 13), scramble(h&0xffffff, 14), scramble(h, 15),
		scramble(scramble(uint32(c), 16), col.before),
	}
	node := uint32(1)
	for i := 7; i >= 0; i-- {
		node = node<<1 | m.bit(ofTexts, contexts, node, m.p.expects(node, i), b>>i&1)
	}
	b = node & 0xff
	m.p.saw(byte(b))
	col.last, col.before = h<<8|b, scramble(col.before, b)
	if b == 0 {
		col.before = 0
	}
	return b
}

// bits codes each bit as a guess of one half.
func (m *mixed) bits(n int, v *uint64) {
	if m.spend((n + 15) / 16); m.err != nil {
		*v = 0
		return
	}
	value := uint64(0)
	for i := n - 1; i >= 0; i-- {
		bit := uint32(*v >> i & 1)
		if m.reading {
			bit = m.coder.read(oneHalf)
		} else {
			m.coder.write(bit, oneHalf)
		}
		value = value<<1 | uint64(bit)
	}
	*v = value
}

// plain is a stream of varints and texts, to be compressed, beside one of raw
// bits, which would not be.
type plain struct {
	reading bool
	bytes   []byte // written, or left to read
	raw     []byte
	held    uint // bits of the last byte written, or left of the first to read
	err     error
}

func (p *plain) failed() error { return p.err }

func (p *plain) ended() error {
	if n := len(p.bytes) + len(p.raw); n > 1 || len(p.bytes) > 0 || (n == 1 && p.held == 0) {
		return fmt.Errorf("%w: %d bytes after the columns", ErrFormat, n)
	}
	return p.err
}

func (p *plain) fail(n int) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: columns end %d bytes too early", ErrFormat, n)
	}
}

func (p *plain) num(_ class, v *uint64) {
	if !p.reading {
		p.bytes = binary.AppendUvarint(p.bytes, *v)
		return
	}
	value, n := binary.Uvarint(p.bytes)
	if n <= 0 || p.err != nil {
		p.fail(1)
		*v = 0
		return
	}
	*v, p.bytes = value, p.bytes[n:]
}

func (p *plain) text(_ class, v *[]byte) {
	if !p.reading {
		p.bytes = append(append(p.bytes, *v...), 0)
		return
	}
	for i, b := range p.bytes {
		if b == 0 {
			*v, p.bytes = p.bytes[:i:i], p.bytes[i+1:]
			return
		}
	}
	p.fail(1)
	*v = nil
}

func (p *plain) bits(n int, v *uint64) {
	value := uint64(0)
	for i := n - 1; i >= 0; i-- {
		if !p.reading {
			p.putBit(byte(*v >> i & 1))
			continue
		}
		value = value<<1 | p.takeBit()
	}
	if p.reading {
		*v = value
	}
}

func (p *plain) putBit(bit byte) {
	if p.held == 0 {
		p.raw = append(p.raw, 0)
	}
	p.raw[len(p.raw)-1] |= bit << (7 - p.held)
	p.held = (p.held + 1) & 7
}

func (p *plain) takeBit() uint64 {
	if len(p.raw) == 0 {
		p.fail(1)
		return 0
	}
	bit := p.raw[0] >> (7 - p.held) & 1
	if p.held = (p.held + 1) & 7; p.held == 0 {
		p.raw = p.raw[1:]
	}
	return uint64(bit)
}
