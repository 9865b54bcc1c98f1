// Package simtest plays histories: nodes, a hub, couriers with sticks and people who
// mean harm, under a clock that is a number and on lines that are arithmetic. One
// seed is one history, byte for byte: everything happens in one goroutine, in the
// order of a queue of events, and all chance comes from the seed. So a history that
// fails is played again by its seed, alone.
//
// A history knows a device by the interfaces of this package only (Maker, Store).
// This package's tests run it on memlog; node/systemtest runs the same histories on
// the engine, on directories that are copied when the power goes.
//
// What a history does to devices: their officers save, they meet over lines that
// break at any byte, they crash while something is being written (which is durable
// then or isn't, and was acknowledged to nobody), are restored from old disks,
// are cloned, have wrong clocks. Couriers carry what they hold from one to the other,
// and what they carry may be old. Attackers are certified devices, or none, that say
// what they like.
//
// What must hold all the time, whatever happens: Run checks it after every contact
// and every start (check.go). What must hold in the end is checked when everyone has
// been left in peace for a while (final.go). DESIGN.md lists both, and the faults
// that were planted to see that this finds them.
package simtest
