package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// The shapes of values. A shape says how a value's canonical CBOR comes back from
// less than itself.
const (
	shapeNull = iota
	shapeFalse
	shapeTrue
	shapeText   // a text without a 0
	shapeDigits // a text of digits
	shapeTexts  // an array of such texts, without a 1 either
	shapeMinute // an integer that is a time in milliseconds, of a whole minute, near the stamp
	shapeNumber // another unsigned integer
	shapeBytes  // a byte string, such as a hash
	shapeOther  // whole
)

const (
	minuteMS = 60_000
	dayMS    = 24 * 60 * minuteMS
	// zoneMS shifts a time to the clock on the office's wall: days begin there.
	zoneMS = 7 * 60 * minuteMS
	// nearDays is how far from its stamp a time may lie to be written as a day.
	nearDays = 200 * 366
	// maxDigits is the longest text that is written as digits.
	maxDigits = 24
)

// value is a payload to be coded: of an assign the value, of a set the element.
type value struct {
	entry *crdt.Entry
	op    *crdt.Op
	group class
	field uint32
}

// values: payloads by collection and field, so that like stands beside like.
func (w *walk) values() {
	if w.broken() != nil {
		return
	}
	for _, v := range w.grouped() {
		item := v.op.Value
		if v.op.Kind == crdt.Set {
			w.present(v)
			item = v.op.Elem
		}
		w.item(v, &item)
		if w.broken() != nil {
			return
		}
		if v.op.Kind == crdt.Set {
			v.op.Elem = item
		} else {
			v.op.Value = item
		}
	}
}

// grouped sorts what has a payload by collection and field, otherwise in the
// order of the log.
func (w *walk) grouped() []value {
	var all []value
	n := -1
	for _, e := range w.entries {
		for i := range e.Ops {
			op := &e.Ops[i]
			n++
			if op.Erased != (crdt.Hash{}) {
				continue
			}
			at := w.records.rows[w.places[n]].collection
			all = append(all, value{entry: e, op: op, group: class(at), field: op.Field})
		}
	}
	slices.SortStableFunc(all, func(a, b value) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.field, b.field))
	})
	for i := range all {
		all[i].group = class(scramble(uint32(all[i].group), all[i].field)) << 8
	}
	return all
}

// present is what a set says of its element: one byte, true or false.
func (w *walk) present(v value) {
	b := uint64(crdt.True)
	if len(v.op.Value) == 1 {
		b = uint64(v.op.Value[0])
	}
	b -= uint64(crdt.False)
	w.small(v.group|colPresent, &b, 1)
	v.op.Value = []byte{byte(b) + crdt.False}
}

func (w *walk) item(v value, b *[]byte) {
	shape := uint64(0)
	if !w.reading {
		shape = shapeOf(*b, v.entry.Stamp)
	}
	switch w.num(v.group|colShape, &shape); shape {
	case shapeNull:
		*b = []byte{0xf6}
	case shapeFalse:
		*b = []byte{0xf4}
	case shapeTrue:
		*b = []byte{0xf5}
	case shapeText:
		w.textItem(v, b)
	case shapeDigits:
		w.digitsItem(v, b)
	case shapeTexts:
		w.textsItem(v, b)
	case shapeMinute:
		w.minuteItem(v, b)
	case shapeNumber:
		n, _ := unsigned(*b)
		w.num(v.group|colNumber, &n)
		*b = head(0, n)
	case shapeBytes, shapeOther:
		w.wholeItem(v, b, shape)
	default:
		w.fail("shape", shape)
	}
}

func shapeOf(b []byte, stamp crdt.Stamp) uint64 {
	if len(b) == 1 {
		switch b[0] {
		case 0xf6:
			return shapeNull
		case 0xf4:
			return shapeFalse
		case 0xf5:
			return shapeTrue
		}
	}
	if text, rest, ok := textOf(b); ok && len(rest) == 0 && bytes.IndexByte(text, 0) < 0 {
		if isDigits(text) {
			return shapeDigits
		}
		return shapeText
	}
	if texts, ok := textsOf(b); ok && !bytes.ContainsAny(texts, "\x00") {
		return shapeTexts
	}
	if n, ok := unsigned(b); ok {
		if _, near := dayFrom(n, stamp); near && n%minuteMS == 0 {
			return shapeMinute
		}
		return shapeNumber
	}
	if major, n, rest, ok := cutHead(b); ok && major == majorBytes && n == uint64(len(rest)) {
		return shapeBytes
	}
	return shapeOther
}

func (w *walk) textItem(v value, b *[]byte) {
	text, _, _ := textOf(*b)
	w.text(v.group|colText, &text)
	if w.reading && w.spend(len(text)) {
		*b = append(head(3, uint64(len(text))), text...)
	}
}

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxDigits
}

// digitsItem is a code, or a number of a person or a telephone: two to four digits
// that may be alike, and beyond them three by three, raw.
func (w *walk) digitsItem(v value, b *[]byte) {
	text, _, _ := textOf(*b)
	n := uint64(len(text))
	w.num(v.group|colLength, &n)
	if n == 0 || n > maxDigits || w.reading && !w.spend(int(n)) {
		w.fail("digits:", n)
		return
	}
	if w.reading {
		text = make([]byte, n)
	}
	first := min(n, (n+1)%3+2)
	number := decimal(text[:first])
	w.small(v.group|colDigits, &number, [...]uint64{0, 9, 99, 999, 9999}[first])
	putDecimal(text[:first], number)
	for rest := text[first:]; len(rest) > 0; rest = rest[3:] {
		number := decimal(rest[:3])
		if w.bits(10, &number); number > 999 {
			w.fail("three digits:", number)
			return
		}
		putDecimal(rest[:3], number)
	}
	*b = append(head(3, n), text...)
}

func decimal(digits []byte) (n uint64) {
	for _, d := range digits {
		n = 10*n + uint64(d-'0')
	}
	return n
}

func putDecimal(digits []byte, n uint64) {
	for i := len(digits) - 1; i >= 0; i, n = i-1, n/10 {
		digits[i] = '0' + byte(n%10)
	}
}

// textsItem joins texts, each with a 1 behind it.
func (w *walk) textsItem(v value, b *[]byte) {
	joined, _ := textsOf(*b)
	w.text(v.group|colTexts, &joined)
	if !w.reading || !w.spend(len(joined)) {
		return
	}
	texts := bytes.Split(joined, []byte{1})
	item := head(4, uint64(len(texts)-1))
	for _, text := range texts[:len(texts)-1] {
		item = append(append(item, head(3, uint64(len(text)))...), text...)
	}
	*b = item
	if len(texts[len(texts)-1]) > 0 {
		w.fail("texts without an end:", uint64(len(texts)))
	}
}

// minuteItem is a time as days from the stamp's day, hour and minute.
func (w *walk) minuteItem(v value, b *[]byte) {
	n, _ := unsigned(*b)
	stampDay := uint64(v.entry.Stamp.Millis()+zoneMS) / dayMS
	day, minute := (n+zoneMS)/dayMS, (n+zoneMS)%dayMS/minuteMS
	hour, minute := minute/60, minute%60
	w.delta(v.group|colDay, &day, stampDay)
	w.num(v.group|colHour, &hour)
	w.num(v.group|colMinute, &minute)
	if day > 1<<60/dayMS || hour > 23 || minute > 59 {
		w.fail("no time of a day:", day)
		return
	}
	n = day*dayMS + hour*60*minuteMS + minute*minuteMS - zoneMS // of day 0 it may wrap, and is near nothing
	if _, near := dayFrom(n, v.entry.Stamp); !near {
		w.fail("no time near its stamp, on day", day)
		return
	}
	*b = head(0, n)
}

// wholeItem is bytes: of a byte string raw, of anything else one by one.
func (w *walk) wholeItem(v value, b *[]byte, shape uint64) {
	body := *b
	if shape == shapeBytes {
		_, _, body, _ = cutHead(*b)
	}
	n := uint64(len(body))
	w.num(v.group|colLength, &n)
	if w.reading {
		if n > crdt.MaxEntry || !w.spend(int(n)) {
			w.fail("bytes of a value:", n)
			return
		}
		body = make([]byte, n)
	}
	if shape == shapeBytes {
		w.rawBytes(body)
		*b = append(head(majorBytes, n), body...)
		return
	}
	for i := range body {
		x := uint64(body[i])
		w.small(v.group|colByte, &x, math.MaxUint8)
		body[i] = byte(x)
	}
	*b = body
}

// dayFrom is how many days a time in milliseconds lies from a stamp's, and
// whether that is near, and no earlier than times begin.
func dayFrom(ms uint64, stamp crdt.Stamp) (days int64, near bool) {
	if ms > 1<<60 {
		return 0, false
	}
	days = (int64(ms)+zoneMS)/dayMS - (stamp.Millis()+zoneMS)/dayMS
	return days, ms >= dayMS && days > -nearDays && days < nearDays
}

// head is the canonical head of a CBOR item.
func head(major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return []byte{major | byte(n)}
	case n < 1<<8:
		return []byte{major | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major | 25}, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{major | 26}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{major | 27}, n)
}

// cutHead takes the head off canonical CBOR.
func cutHead(b []byte) (major byte, n uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, 0, nil, false
	}
	major, small := b[0]>>5, b[0]&31
	if small < 24 {
		return major, uint64(small), b[1:], true
	}
	length := 1 << (small - 24)
	if small > 27 || len(b) < 1+length {
		return 0, 0, nil, false
	}
	for _, x := range b[1 : 1+length] {
		n = n<<8 | uint64(x)
	}
	return major, n, b[1+length:], true
}

func unsigned(b []byte) (uint64, bool) {
	major, n, rest, ok := cutHead(b)
	return n, ok && major == 0 && len(rest) == 0
}

func textOf(b []byte) (text, rest []byte, ok bool) {
	major, n, rest, ok := cutHead(b)
	if !ok || major != 3 || n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// textsOf is an array of texts, joined, each with a 1 behind it.
func textsOf(b []byte) (joined []byte, ok bool) {
	major, n, rest, ok := cutHead(b)
	if !ok || major != 4 || n > uint64(len(rest)) {
		return nil, false
	}
	for range n {
		var text []byte
		if text, rest, ok = textOf(rest); !ok || bytes.IndexByte(text, 1) >= 0 {
			return nil, false
		}
		joined = append(append(joined, text...), 1)
	}
	return joined, len(rest) == 0
}
