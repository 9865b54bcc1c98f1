package kpi

// Sample returns the i-th of any number of made-up, believable facts, always the
// same for the same i and now: received in the 180 days before now, due 5 to 35
// days later to the millisecond (so that none share a moment in the queue, which is
// the hard case), and four in five resolved within 30 days. It is what benchmarks
// load, here and in `vungxa bench kpi`, so that both measure one thing.
func Sample(group string, i int, now Instant) Fact {
	h := scatter(uint64(i))
	part := func(shift, below uint64) int64 { return int64(h >> shift % below) }
	received := now.ms - part(0, 180*dayMS)
	f := Fact{Group: group, Received: At(received), Due: At(received + 5*dayMS + part(8, 30*dayMS))}
	if resolved := received + part(16, 30*dayMS); part(40, 5) > 0 && resolved <= now.ms {
		f.Resolved = At(resolved)
	}
	return f
}

// scatter is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014): neighbours
// become unlike each other, the same every time.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
