package kpi

// The years 1 to 9999, in milliseconds since 1970-01-01T00:00:00Z: what RFC 3339
// and every calendar library can hold. Two sentinels lie outside: beforeAll in an
// earlier month in any zone, never right after.
const (
	minMS = -62135596800000
	maxMS = 253402300799999

	beforeAll = minMS - 40*dayMS
	never     = maxMS + 1

	dayMS = 24 * 60 * 60 * 1000
)

// Instant is a moment in milliseconds since 1970-01-01T00:00:00Z, or missing.
// The zero Instant is missing, which is not 1970.
type Instant struct {
	ms    int64
	known bool
}

// At returns the instant ms milliseconds after 1970-01-01T00:00:00Z. Outside the
// years 1 to 9999 it is no date that a person can have meant, and so missing.
func At(ms int64) Instant {
	if ms < minMS || ms > maxMS {
		return Instant{}
	}
	return Instant{ms, true}
}

// MS returns the milliseconds since 1970-01-01T00:00:00Z; ok is false, and ms
// means nothing, when the instant is missing.
func (i Instant) MS() (ms int64, ok bool) { return i.ms, i.known }

// orNever reads a missing instant as one that doesn't come.
func (i Instant) orNever() int64 {
	if !i.known {
		return never
	}
	return i.ms
}

// Fact is what one record says to the figures. Any date may be missing.
type Fact struct {
	Group    string  // what is counted together: the caller's key for (scope, collection)
	Received Instant // when the office took it in
	Resolved Instant // when it was done; missing while it is open
	Due      Instant // the last moment that is still on time, as stored with the record
}
