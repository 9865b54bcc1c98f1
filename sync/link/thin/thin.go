// Package thin carries frames over a line that is slow, far and lossy: 9.6 to 64
// kbit/s, round trips of 0.6 to 1.5 s, a fifth of all datagrams lost.
//
// It is Noise IK over UDP. The caller knows the X25519 key of whom it calls, from
// that device's certificate, and sends its first frames sealed in the first
// datagram; the answer comes in the second. Both have then proved their keys. What
// travels in the first flight may be recorded and sent again by anyone, so only what
// may arrive twice without harm may travel there: reconcile's first messages are such.
//
// An Endpoint is all of it but the socket: datagrams in, datagrams out, the time
// given, the next deadline told. It has no goroutine, and its chance is handed in, so
// a test runs it in virtual time and a failing run replays. A Line is one connection
// of an endpoint. A Host is the thin shell around an endpoint: a socket, a goroutine
// that reads it, and Conns, which block as those of package link do.
//
// THIN.md specifies every byte; DESIGN.md says why.
package thin

import (
	"errors"
	"net/netip"
	"time"
)

// MaxFrame is the longest frame, in bytes. With what is added it fits a datagram.
const MaxFrame = 1200

// Window is how many bytes suit the line, sent and not acknowledged by whoever reads
// them: twice what a line of 64 kbit/s and 1.5 s holds, so that it isn't idle while a
// lost packet is sent again. On slower lines Line.Room holds back what has no place.
const Window = 32 << 10

// Limits and times; THIN.md has the table.
const (
	maxDatagram     = 1232 // UDP payload: 1,280 less the headers of IPv6 and UDP
	headerBytes     = 28   // of IPv4 and UDP, which congestion counts too
	maxQueueBytes   = 64 << 10
	maxQueueFrames  = 256
	maxPacketFrames = 64
	maxSent         = 256 // packets whose fate isn't known
	amplification   = 3   // bytes to a path that isn't validated, for each one from it

	ackDelayMax   = 200 * time.Millisecond
	ackEvery      = 2
	ackPatient    = 100 * time.Second      // of a patient packet: less than keepAlive, whose place it takes
	patience      = 2 * time.Minute        // of its sender
	holdCall      = 50 * time.Millisecond  // a call waits for the first frames
	holdAnswer    = 200 * time.Millisecond // an answer does
	firstRTO      = 3 * time.Second        // before anything was measured
	minRTO        = 400 * time.Millisecond
	maxRTO        = 15 * time.Second  // to which waits in vain grow: a third of all exchanges fails
	linger        = 2 * maxRTO        // after both have said all, at least: two of the peer's probes
	keepAlive     = 110 * time.Second // NATs keep a UDP mapping for 2 min at least (RFC 4787, REQ-5)
	keepAlivePing = 3                 // each third asks for an answer
	idleMax       = 10 * time.Minute
	validateTries = 3
	cookieLife    = 2 * time.Minute
	rekeyPackets  = 1 << 14
	rekeyAfter    = 6 * time.Hour
	replayWindow  = 256
	ackWindow     = 64
	seenInitials  = 4096
	maxPeerLines  = 4 // that one peer has made
	maxPending    = 2 // of a peer that has a line already: calls not yet confirmed
)

// DefaultStall is how long a line may stand still.
const DefaultStall = 120 * time.Second

// Errors of this package, for errors.Is.
var (
	ErrFrameSize = errors.New("a frame that is empty or too large")
	ErrStalled   = errors.New("the line stands still")
	ErrNoAnswer  = errors.New("no answer; is the other machine on, does its address hold, and does it hold this device's certificate?")
	ErrReset     = errors.New("the other side gave the connection up")
	ErrBusy      = errors.New("too many connections")
	ErrNoKey     = errors.New("the device's certificate has no key for the thin link; certify it anew")
	ErrNotOurs   = errors.New("no certificate for the peer's key")
)

// Datagram is one to send.
type Datagram struct {
	To netip.AddrPort
	B  []byte
}
