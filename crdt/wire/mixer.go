package wire

// The coder of small segments: a predictor of bits and a range coder. On a few
// kilobytes of short columns it needs a third less than zstd with a dictionary,
// because it learns as it goes and sends no tables. It is slow (about a megabyte a
// second), so it is used up to mixedUnits only.
//
// The predictor mixes the guesses of several contexts in the logistic domain, as
// M. Mahoney's PAQ does ("Adaptive weighing of context models for lossless data
// compression", 2005). All of it is arithmetic on integers: every machine gets the
// same bits. FORMAT.md has it in steps.

const (
	contextsMax = 6
	inputs      = contextsMax + 1 // the last is the match's
	tableBits   = 16
	maxCount    = 127
	learning    = 24
	firstWeight = 1 << 16 * 34 / 100
	weightSets  = 12
	firstGuess  = 1 << 31        // a half, asked never
	firstTrust  = 15 << 28       // of a match: 15 of 16
	matchBits   = 12             // of the table of where bytes were seen
	matchBytes  = 5              // that must be the same
	matchMax    = 16             // bytes looked back
	oneHalf     = int32(1) << 11 // of a guess
)

// squashAt is the logistic function at -8 to 8 in halves, in 1/4096.
var squashAt = [33]int32{
	1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047,
	2549, 2994, 3348, 3607, 3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
}

// squash gives the probability, in 1/4096, of a weight of evidence in 1/256.
func squash(d int32) int32 {
	switch {
	case d > 2047:
		return 4095
	case d < -2047:
		return 1
	}
	i, w := d>>7+16, d&127
	return (squashAt[i]*(128-w) + squashAt[i+1]*w + 64) >> 7
}

// stretch is the inverse of squash.
var stretch = func() (t [4096]int16) {
	next := int32(0)
	for x := int32(-2047); x <= 2047; x++ {
		for ; next <= squash(x); next++ {
			t[next] = int16(x)
		}
	}
	for ; next < 4096; next++ {
		t[next] = 2047
	}
	return t
}()

// rates are how far a guess moves towards a bit, by how often it was asked, in
// 1/65536.
var rates = func() (t [maxCount + 1]int64) {
	for i := range t {
		t[i] = 10 * 65536 / int64(10*i+12)
	}
	return t
}()

// What is coded: bits of numbers or of texts.
const (
	ofNumbers = iota
	ofTexts
)

// predictor holds, for each context, a guess in each slot (22 bits of probability,
// 10 of count), the weights of the inputs, and the text that was seen.
type predictor struct {
	slots   [contextsMax][1 << tableBits]uint32
	weights [2][weightSets][inputs]int32
	trust   [matchMax]uint32 // in a match, by its length
	past    []byte
	seen    [1 << matchBits]int32 // where in past, by the bytes before
	match   int                   // where in past the bytes before were seen
	length  int                   // how many of them are the same; 0: no match
}

// unprimed knows nothing.
func unprimed() *predictor {
	p := &predictor{}
	for i := range p.slots {
		for j := range p.slots[i] {
			p.slots[i][j] = firstGuess
		}
	}
	for k := range p.weights {
		for j := range p.weights[k] {
			for i := range p.weights[k][j] {
				p.weights[k][j][i] = firstWeight
			}
		}
	}
	for i := range p.trust {
		p.trust[i] = firstTrust
	}
	return p
}

// primed has read the dictionary. It is copied and never changed.
var primed = func() *predictor {
	p := unprimed()
	prime(p, dictionary)
	return p
}()

func prime(p *predictor, lines []string) {
	m := newMixWriter(p)
	for _, line := range lines {
		text := []byte(line)
		m.text(0, &text)
	}
}

func copyPrimed() *predictor {
	p := *primed
	p.past = append([]byte(nil), p.past...)
	return &p
}

// question is one guess: the slots asked, and what came of it.
type question struct {
	slots   [inputs]*uint32
	evident [inputs]int32
	weights *[inputs]int32
	n       int
	expects int   // the bit that a match expects; -1: there is none
	guess   int32 // that the bit is 1, in 1/4096
}

// ask makes the guess of contexts at a node.
func (p *predictor) ask(of int, contexts []uint32, node uint32, expects int) question {
	q := question{n: len(contexts), expects: expects}
	set := 0
	for i, c := range contexts {
		q.slots[i] = &p.slots[i][scramble(c, node)>>(32-tableBits)]
		if *q.slots[i]&1023 > 0 {
			q.evident[i] = int32(stretch[*q.slots[i]>>20])
			set++
		}
	}
	if expects >= 0 {
		slot := &p.trust[min(p.length, matchMax-1)]
		q.slots[q.n], q.evident[q.n] = slot, int32(stretch[*slot>>20])*int32(2*expects-1)
		q.n++
		set = contextsMax + 1 + min(p.length/4, 4)
	}
	q.weights = &p.weights[of][set]
	sum := int64(0)
	for i := range q.n {
		sum += int64(q.evident[i]) * int64(q.weights[i])
	}
	q.guess = squash(int32(min(max(sum>>16, -2047), 2047)))
	return q
}

// learn tells what the bit was.
func (q *question) learn(bit uint32) {
	miss := (int32(bit)<<12 - q.guess) * learning
	for i := range q.n {
		q.weights[i] += (q.evident[i]*miss + 1<<15) >> 16
		if i == q.n-1 && q.expects >= 0 {
			bit ^= uint32(1 - q.expects) // the match learns whether it was right
		}
		slot := q.slots[i]
		count, p := *slot&1023, int64(*slot>>10)
		p += (int64(bit)<<22 - p) * rates[count] >> 16
		*slot = uint32(min(p, 1<<22-1))<<10 | min(count+1, maxCount)
	}
}

// expects is the next bit of a text, if the byte that followed a match begins as
// the node does.
func (p *predictor) expects(node uint32, place int) int {
	if p.length == 0 {
		return -1
	}
	next := uint32(p.past[p.match]) | 256
	if next>>(place+1) != node {
		return -1
	}
	return int(next >> place & 1)
}

// saw notes a byte of text, and looks where the last ones were seen before.
func (p *predictor) saw(b byte) {
	p.past = append(p.past, b)
	n := len(p.past)
	if p.length > 0 && p.past[p.match] == b {
		p.match++
		p.length++
	} else {
		p.length = 0
	}
	if n < matchBytes {
		return
	}
	h := uint32(0)
	for _, x := range p.past[n-matchBytes:] {
		h = scramble(h, uint32(x))
	}
	at := &p.seen[h>>(32-matchBits)]
	if p.length == 0 && *at > 0 {
		p.match, p.length = int(*at), p.alike(int(*at), n)
	}
	*at = int32(n)
}

// alike is how many bytes before two places are the same; 0 if they are few.
func (p *predictor) alike(a, b int) int {
	n := 0
	for n < matchMax && n < a && p.past[a-1-n] == p.past[b-1-n] {
		n++
	}
	if n < matchBytes {
		return 0
	}
	return n
}

func scramble(a, b uint32) uint32 {
	h := a*0x9E3779B1 ^ b*0x85EBCA6B
	h ^= h >> 15
	h *= 0xC2B2AE35
	return h ^ h>>13
}
