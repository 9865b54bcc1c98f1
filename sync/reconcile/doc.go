// Package reconcile is the protocol between two certified devices as a state
// machine: frames in, frames out. It does no I/O, starts no goroutine, and reads
// neither clock nor chance, so a run of it can be replayed byte by byte.
//
// Both sides say hello: certificate, and per scope a digest of what they hold.
// Equal digests end it there. Otherwise each states its heads, works out from the
// other's what the other lacks, and sends that as segments, most urgent class
// first. What was stored is answered by a receipt, the storing device's signed
// heads; receipts of third devices are passed on. The session then stays open,
// and whatever becomes newer on one side is sent at once.
//
// A Session is driven like this: give it what happens (Receive, Written, Changed),
// then ask it Next until it has nothing, doing what each Action says and giving
// back the answer (Segment, Hashes, Stored) before asking again. It decides from
// levels, not from events: what to send is always what this side holds less what
// the other is known to hold or to have been sent. So a slow line bundles by
// itself, and nothing that happens while it is busy needs to be queued.
//
// One thing that can't be accepted refuses the session: a code, a reason and a
// place are sent, the connection is to be closed, and nothing has been stored of
// it. ../PROTOCOL.md specifies the bytes; ../DESIGN.md says why it is so.
package reconcile
