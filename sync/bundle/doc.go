// Package bundle carries half a session as files: on a stick, by a courier, through
// people who can't read it.
//
// A bundle is a file of the messages that a session would send to a peer that answers
// nothing (package reconcile, NewWriting), signed by the device that wrote it and
// encrypted to its readers. Nobody is named outside: who holds a reader's key finds out
// by trying. It is one of many parts if it is long; each is useful by itself, whatever
// is missing comes after it, and every one may be read any number of times.
//
//	export   what the readers lack -> parts -> temporary names -> sync -> rename
//	import   fixed names, regular files -> open -> verify -> the checks of a session -> store
//	answer   the receipt and what the writer lacks, on the same stick
//
// What was given to a courier counts as carried and not as arrived: it is written again
// until the reader's word for it has come. A part that rests on one that hasn't come is
// kept, as it is, until that does.
//
// Format holds the bytes (Seal, Open), Stick a directory of them, and Bundles what a node
// does with a stick. FORMAT.md specifies the bytes, DESIGN.md says why they are so.
package bundle
