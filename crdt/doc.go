// Package crdt is the merge at the heart of Vùng Xa: logs, dots, clocks and
// records, as data and pure functions. It does no I/O, starts no goroutine and
// reads no clock; whoever calls it hands it the time.
//
// A log has one writer, named (device, incarnation, scope, class), and is a
// chain of entries: each entry is one Save of one officer and carries the hash
// of the entry before it. An operation's dot is its place: (log, seq, index).
//
// A record is a map of cells, one per field that was ever written. A cell of
// kind `assign` holds the writes that no other write has superseded. A write
// names what it supersedes as one (log, highest seq) per log, so the merge of
// two histories is: the union of the writes, less what any of them supersedes.
// No clock takes part in that. Two writes that survive are a conflict, exactly;
// clocks only choose which of them is shown.
//
// Applying is commutative, associative and idempotent: entries of different
// logs may arrive in any order, and a write that arrives after the one which
// superseded it stays superseded (Cell.Over remembers).
//
// Sources: dots and superseding contexts follow the optimised multi-value
// register of Bieniusa et al., "An optimized conflict-free replicated set"
// (2012), and Almeida et al., "Dotted version vectors" (2012); the clock is
// Kulkarni et al., "Logical physical clocks" (2014).
package crdt
