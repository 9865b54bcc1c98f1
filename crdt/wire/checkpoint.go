package wire

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// Limits of a checkpoint: of its bytes, and of those of a verdict's reason.
const (
	MaxCheckpoint = 1 << 20
	MaxReason     = 256
)

// wireCheckpoint is what the hub has decided for a scope. Lists have the order
// that they have in crdt; what is sorted there is sorted here.
type wireCheckpoint struct {
	_         struct{} `cbor:",toarray"`
	Format    uint
	Scope     string
	At        wireCite
	Prev      crdt.Hash
	TimeMS    uint64
	Logs      []logName
	Heads     []wirePin
	Floor     []wirePos
	Witnesses []wireWitness
	Cuts      []wireCut
	Verdicts  []wireVerdict
	Lapsed    []crdt.Device
}

type wireWitness struct {
	_      struct{} `cbor:",toarray"`
	Log    uint
	Seq    uint64
	TimeMS uint64
}

type wireCut struct {
	_       struct{} `cbor:",toarray"`
	Kind    uint8
	Device  crdt.Device
	Officer string
	From    uint64
	Until   uint64
	Epoch   uint64
	Logs    []wirePin
}

type wireVerdict struct {
	_      struct{} `cbor:",toarray"`
	Dot    wireDot
	Ruling uint8
	Index  uint64
	Reason string
}

// EncodeCheckpoint gives the one encoding of a checkpoint: what its members sign
// and what CheckpointHash hashes.
func EncodeCheckpoint(c *crdt.Checkpoint) ([]byte, error) {
	if err := validCheckpoint(c); err != nil {
		return nil, err
	}
	logs := map[crdt.LogID]bool{}
	eachLog(c, func(l crdt.LogID) { logs[l] = true })
	t := newLogTable(logs)
	w := wireCheckpoint{
		Format: Format, Scope: string(c.Scope), At: wireCite{Epoch: c.At.Epoch, Index: c.At.Index}, Prev: c.Prev,
		TimeMS: uint64(c.TimeMS), Logs: t, Heads: encodePins(c.Heads, t), Floor: encodeOver(c.Floor, t), Lapsed: c.Lapsed,
	}
	for _, x := range c.Witnesses {
		w.Witnesses = append(w.Witnesses, wireWitness{Log: t.place(x.Log), Seq: x.Seq, TimeMS: uint64(x.TimeMS)})
	}
	for _, x := range c.Cuts {
		s := x.Subject
		w.Cuts = append(w.Cuts, wireCut{
			Kind: uint8(s.Kind), Device: s.Device, Officer: s.Officer, From: s.From, Until: s.Until,
			Epoch: x.Epoch, Logs: encodePins(x.Logs, t),
		})
	}
	for _, x := range c.Verdicts {
		dot := wireDot{Log: t.place(x.Dot.Log), Seq: x.Dot.Seq, Index: x.Dot.Index}
		w.Verdicts = append(w.Verdicts, wireVerdict{Dot: dot, Ruling: uint8(x.Ruling), Index: x.Index, Reason: x.Reason})
	}
	b, err := marshalItem(w, MaxCheckpoint)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return b, nil
}

func encodePins(pins []crdt.Pin, t logTable) []wirePin {
	out := make([]wirePin, len(pins))
	for i, p := range pins {
		out[i] = wirePin{Log: t.place(p.Log), Seq: p.Seq, Hash: p.Hash}
	}
	return out
}

// eachLog calls f with every log that a checkpoint names.
func eachLog(c *crdt.Checkpoint, f func(crdt.LogID)) {
	for _, p := range c.Heads {
		f(p.Log)
	}
	for _, p := range c.Floor {
		f(p.Log)
	}
	for _, x := range c.Witnesses {
		f(x.Log)
	}
	for _, x := range c.Cuts {
		for _, p := range x.Logs {
			f(p.Log)
		}
	}
	for _, x := range c.Verdicts {
		f(x.Dot.Log)
	}
}

func validCheckpoint(c *crdt.Checkpoint) error {
	refuse := func(what string) error { return fmt.Errorf("checkpoint: %w: %s", ErrFormat, what) }
	foreign := len(c.Scope) == 0 || len(c.Scope) > crdt.MaxScope
	eachLog(c, func(l crdt.LogID) { foreign = foreign || l.Scope != c.Scope || !isClass(l.Class) })
	if foreign {
		return refuse("it has no scope, or names a log of another, or of a class that there isn't")
	}
	if c.TimeMS < 0 {
		return refuse("its time lies before 1970")
	}
	if !sortedPins(c.Heads) || slices.ContainsFunc(c.Heads, func(p crdt.Pin) bool { return p.Seq == 0 }) {
		return refuse("its heads are not sorted by log, each once, or one is at seq 0")
	}
	if err := validPositions(c.Floor); err != nil {
		return refuse("its floor: " + err.Error())
	}
	lapsed := map[crdt.Device]bool{}
	for _, d := range c.Lapsed {
		if lapsed[d] {
			return refuse("a device lapses twice")
		}
		lapsed[d] = true
	}
	for _, x := range c.Witnesses {
		if x.TimeMS < 0 || x.Seq == 0 {
			return refuse("a witness of seq 0, or before 1970")
		}
	}
	for _, x := range c.Cuts {
		if x.Subject.Kind > crdt.SubjectGrant || len(x.Subject.Officer) > crdt.MaxOfficer || !sortedPins(x.Logs) {
			return refuse("a cut of an unknown subject, or whose logs are not sorted")
		}
	}
	for _, x := range c.Verdicts {
		if x.Dot.Seq == 0 || x.Ruling < crdt.Confirmed || x.Ruling > crdt.Adopted || len(x.Reason) > MaxReason {
			return refuse("a verdict of seq 0, an unknown ruling, or a reason that is too long")
		}
	}
	return nil
}

// sortedPins says whether pins are sorted by log, each once.
func sortedPins(pins []crdt.Pin) bool {
	for i := 1; i < len(pins); i++ {
		if pins[i-1].Log.Compare(pins[i].Log) >= 0 {
			return false
		}
	}
	return true
}

// DecodeCheckpoint reads what EncodeCheckpoint writes, and nothing else.
func DecodeCheckpoint(b []byte) (*crdt.Checkpoint, error) {
	var w wireCheckpoint
	if err := Unmarshal(b, MaxCheckpoint, &w); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if err := checkFormat(w.Format); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := w.decode()
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	again, err := EncodeCheckpoint(c)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, fmt.Errorf("checkpoint: %w: its table of logs is not that of what it names", ErrFormat)
	}
	return c, nil
}

func (w *wireCheckpoint) decode() (*crdt.Checkpoint, error) {
	in := logsIn{w.Logs, crdt.Scope(w.Scope), nil}
	c := &crdt.Checkpoint{
		Scope: in.scope, At: crdt.Cite{Epoch: w.At.Epoch, Index: w.At.Index}, Prev: w.Prev, TimeMS: in.time(w.TimeMS),
		Heads: in.pins(w.Heads), Lapsed: w.Lapsed,
	}
	for _, x := range w.Floor {
		c.Floor = append(c.Floor, crdt.Pos{Log: in.log(x.Log), Seq: x.Seq})
	}
	for _, x := range w.Witnesses {
		c.Witnesses = append(c.Witnesses, crdt.Witness{Log: in.log(x.Log), Seq: x.Seq, TimeMS: in.time(x.TimeMS)})
	}
	for _, x := range w.Cuts {
		subject := crdt.Subject{Kind: crdt.SubjectKind(x.Kind), Device: x.Device, Officer: x.Officer, From: x.From, Until: x.Until}
		c.Cuts = append(c.Cuts, crdt.Cut{Subject: subject, Epoch: x.Epoch, Logs: in.pins(x.Logs)})
	}
	for _, x := range w.Verdicts {
		dot := crdt.Dot{Log: in.log(x.Dot.Log), Seq: x.Dot.Seq, Index: x.Dot.Index}
		c.Verdicts = append(c.Verdicts, crdt.Verdict{Dot: dot, Ruling: crdt.Ruling(x.Ruling), Index: x.Index, Reason: x.Reason})
	}
	return c, in.err
}

// logsIn looks up places, and keeps the first that isn't there.
type logsIn struct {
	logs  logTable
	scope crdt.Scope
	err   error
}

func (in *logsIn) log(i uint) crdt.LogID {
	l, err := in.logs.log(i, in.scope)
	if in.err == nil {
		in.err = err
	}
	return l
}

func (in *logsIn) time(ms uint64) int64 {
	if ms > math.MaxInt64 && in.err == nil {
		in.err = fmt.Errorf("%w: a time of %d ms", ErrFormat, ms)
	}
	return int64(ms)
}

func (in *logsIn) pins(w []wirePin) []crdt.Pin {
	var pins []crdt.Pin
	for _, p := range w {
		pins = append(pins, crdt.Pin{Log: in.log(p.Log), Seq: p.Seq, Hash: p.Hash})
	}
	return pins
}

// CheckpointHash is what the next checkpoint names as the one before it, given
// its bytes.
func CheckpointHash(b []byte) crdt.Hash { return tagged("vungxa checkpoint 1", b) }
