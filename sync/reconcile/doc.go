// Package reconcile is the protocol between two certified devices as a state
// machine: frames in, frames out. It does no I/O, starts no goroutine, and reads
// neither clock nor chance, so a run of it can be replayed byte by byte.
//
// Both sides speak at once. Who remembers the peer resumes: it says a digest of all
// that it holds of what they share, and sends what lies above what it was last
// known to have. Equal digests end it there. Who doesn't says hello, and both state
// their heads. What is sent are items: segments of logs, receipts, certificates,
// each on the lane of its urgency, cut into frames of at most 1,200 bytes, counted
// and acknowledged by count; what is unfinished when the line ends is gone on with
// in the next session. When nothing is left to send, levels say so, and digests that
// differ then show that a memory was wrong: heads mend it. The session stays open,
// and whatever becomes newer on one side is sent at once.
//
// A Session is driven like this: give it what happens (Receive, Written, Changed),
// then ask it Next until it has nothing, doing what each Action says and giving
// back the answer (Segment, Hashes, Based, Stored, ...) before anything else happens.
// After Stored, what is held is read again and given to it (Changed) before the driver
// waits for anything, but not while frames wait. It decides from levels, not from
// events: what to send is always what this side holds less what the other is known to
// hold or to have been sent. So a slow line bundles by itself, and nothing that
// happens while it is busy needs to be queued.
//
// What it remembers (Memory, Staged) is plain data, which the driver keeps and hands
// to the next session. It saves bytes and is never trusted.
//
// An item that can't be accepted is refused alone, with a code, a reason and a place;
// a breach of the protocol refuses the session, and the connection is to be closed.
// ../PROTOCOL.md specifies the bytes; ../DESIGN.md says why it is so.
package reconcile
