// Package crdt is the merge at the heart of Vùng Xa: logs, dots, clocks and
// records, as data and pure functions. It does no I/O, starts no goroutine and
// reads no clock; whoever calls it hands it the time, and what a store holds.
//
// A log has one writer, named (device, incarnation, scope, class), and is a
// chain of entries: each Entry is one Save of one officer and carries the hash
// of the entry before it. An operation's Dot is its place: (log, seq, index).
//
// A Record is a map of cells, one per field that was ever written, or per element
// of a set. A Cell holds the writes that no other write has superseded. A write
// names what it supersedes as one (log, highest seq) per log, so the merge of two
// histories is: the union of the writes, less what any of them supersedes. No
// clock takes part in that. Two writes that survive are a conflict, exactly.
//
// Applying is commutative, associative and idempotent: entries of different
// logs may arrive in any order, and a write that arrives after the one which
// superseded it stays superseded (Cell.Over remembers). What a device says of
// another's log counts once that log is held and is the branch that it means
// (Entry.Pins); until then it waits (Cell.Pending).
//
// The hub decides what no merge can, and says so in a chain of Checkpoints, folded
// into an Authority: what it witnessed when, whom it has cut, which steps it
// rejects, how far the floor is. A Reader reads cells under it, by a Policy. So
// what is shown is a function of (entries, checkpoints), in whatever order either
// came. Forks names the branches of a log whose device wrote two histories. Below
// the floor, Record.Compact forgets.
//
// DESIGN.md says what was chosen against what, and how it is proved.
//
// Sources: dots and superseding contexts follow the optimised multi-value
// register of Bieniusa et al., "An optimized conflict-free replicated set"
// (2012), and Almeida et al., "Dotted version vectors" (2012); the clock is
// Kulkarni et al., "Logical physical clocks" (2014); the floor is the causal
// stability of Baquero et al., "Making operation-based CRDTs operation-based"
// (2014).
package crdt
