// Package kpi keeps an office's figures (received, resolved, open, overdue,
// share on time) true while records change and while time passes, without ever
// scanning the records.
//
// # Idea
//
// To a figure, a record is only a [Fact]: a group and three dates. Every measure
// is the size of a set of records, and a record belongs to such a set during one
// span of time [from, until): it is open from its receipt until it is resolved,
// overdue from the millisecond after its due date until it is resolved. So a fact
// is a handful of steps: +1 at from, -1 at until. That is all the engine keeps:
//
//   - steps at or before its clock are summed by (group, month);
//   - steps after it wait in a queue ordered by time, summed by (group, moment).
//
// A change of a record takes the steps of the fact before it away and puts those
// of the fact after it in ([Engine.Apply]); sums are whole numbers, so deletion is
// exact. Time passing ([Engine.Advance]) moves the steps that fall due from the
// queue into the sums: its cost depends on what falls due, never on what is
// stored. A dossier is overdue the moment after its due date, though nobody wrote
// anything. Nothing is kept per record, so the caller must hand in as before
// exactly what it handed in as after the last time.
//
// # As of when
//
// A figure of a past month is as of the last millisecond of that month; of the
// current month, as of the engine's clock; of a month that has not begun nothing
// is known, which is not 0. It is the state as the dates tell it: a receipt of
// October that is entered in November changes October's figures.
//
// # Dates that are missing or odd
//
// A missing date stays missing, and nothing is counted that would have to invent
// it. A record is counted wherever its own dates suffice:
//
//   - no received date: not in received, open or overdue; it is in [Undated], so
//     that a page can say how many records those figures lack. If it has a resolved
//     date it is in resolved, and in the share on time if it has a due date too.
//   - no due date: never overdue, and in neither half of the share on time.
//   - resolved at or before it was received: received counts in its month, resolved
//     in its own, and it was never open or overdue.
//   - due before it was received: overdue from its receipt on.
//   - a date after the engine's clock: counted when its time comes.
//
// A due date without an hour means the whole day: the caller passes the last
// millisecond of that day in the office's zone ([Calendar.EndOfDay]), or a dossier
// would be overdue on the morning of the day that its citizen was promised.
//
// # Sources
//
// The measures are the product's own operational set. No decree's definition is
// implemented here and none is claimed: the texts that define official ones
// (QĐ 766/QĐ-TTg is known from secondary sources only) subtract waiting for the
// citizen and count a second supplement request as overdue, which needs a history
// that a Fact does not have. The due date is the one stored with the record,
// computed by nobody here.
//
// The package is pure: no clock, goroutine, chance or I/O. An Engine is not safe
// for use by several goroutines at once.
package kpi
