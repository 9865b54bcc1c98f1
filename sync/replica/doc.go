// Package replica keeps a node in touch with the peers that its operator named:
// whom to call, when to call again, and when not to, because a line was cut.
//
// Each peer has one goroutine of its own and at most one session. A session is
// a reconcile.Session (which decides) driven over a Conn (which carries): what
// the session asks for is read from, or stored in, the Log. A peer that is to be
// called is called again with a growing, jittered delay; a peer that calls is
// accepted if it is on the list. A new connection of a peer replaces its old one,
// because only the caller knows that the old one is dead.
//
// What a session remembers of its peer, and what has come of items that were cut off,
// is kept as Notes: when it begins (so that the count of contacts is durable before
// the peer hears it), every ten seconds while something moves, and when it ends. A
// memory that can't be read or kept is forgotten.
//
// The package declares what it needs of others (Log, Notes, Files, Carrier, Conn,
// Hear, and the functions of Config); node/engine, sync/link and sync/hub provide it.
package replica
