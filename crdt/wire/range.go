package wire

// rangeCoder narrows an interval by each bit. Only one of its directions is used.
type rangeCoder struct {
	low, high uint32
	out       []byte // what was written
	in        []byte // what is left to read; zeros follow it
	at        uint32 // the four bytes of the input under the interval
	short     int    // how many bytes were read past the end
}

func (r *rangeCoder) begin(in []byte) {
	r.low, r.high, r.in = 0, 1<<32-1, in
	for range 4 {
		r.at = r.at<<8 | r.next()
	}
}

func (r *rangeCoder) next() uint32 {
	if len(r.in) == 0 {
		r.short++
		return 0
	}
	b := r.in[0]
	r.in = r.in[1:]
	return uint32(b)
}

// split is the last value of the interval that stands for a 1.
func (r *rangeCoder) split(guess int32) uint32 {
	return r.low + uint32(uint64(r.high-r.low)*uint64(guess)>>12)
}

func (r *rangeCoder) write(bit uint32, guess int32) {
	r.narrow(bit, r.split(guess))
	for r.low>>24 == r.high>>24 {
		r.out = append(r.out, byte(r.high>>24))
		r.low, r.high = r.low<<8, r.high<<8|255
	}
}

func (r *rangeCoder) read(guess int32) (bit uint32) {
	split := r.split(guess)
	if r.at <= split {
		bit = 1
	}
	r.narrow(bit, split)
	for r.low>>24 == r.high>>24 {
		r.low, r.high = r.low<<8, r.high<<8|255
		r.at = r.at<<8 | r.next()
	}
	return bit
}

func (r *rangeCoder) narrow(bit, split uint32) {
	if bit == 1 {
		r.high = split
	} else {
		r.low = split + 1
	}
}

// end gives what was written, with the fewest bytes after it which, followed by
// zeros, lie in the interval.
func (r *rangeCoder) end() []byte {
	for n := range 4 {
		mask := uint32(1<<32-1) >> (8 * n)
		v := (r.low + mask) &^ mask
		if v >= r.low && v <= r.high {
			for i := range n {
				r.out = append(r.out, byte(v>>(24-8*i)))
			}
			return r.out
		}
	}
	return append(r.out, byte(r.low>>24), byte(r.low>>16), byte(r.low>>8), byte(r.low))
}
