package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// The heads file says outside Badger how far the store has come. It is a header
// and frames, each MACed and each at a multiple of 64 bytes, in a file that is
// given its length at once, so that writing one is an overwrite and one fsync:
//
//	header: "VXHEADS1", store id (16), file nonce (8), MAC (16), zeros to 64
//	frame:  length of body (4), body (CBOR), MAC (16), zeros to the next multiple
//
// A frame's MAC covers nonce, offset and body. The first frame holds the heads of
// all logs, the later ones those that moved. A torn last frame is what a crash
// leaves: then Badger is one commit ahead, which is harmless. When the file is full
// it is written anew.
const (
	headsMagic = "VXHEADS1"
	headsAlign = 64
	headsSpace = 256 << 10 // for frames after the first
)

// frame is a frame's body.
type frame struct {
	_        struct{} `cbor:",toarray"`
	Commit   uint64   // Badger's commit number
	Clean    bool     // written when the store was closed
	Tables   uint64   // number of the tables file
	Manifest prefix
	WALs     []walMark
	Logs     []logMark
}

// prefix is how a file that only grows began.
type prefix struct {
	_   struct{} `cbor:",toarray"`
	Len int64
	Sum []byte
}

type walMark struct {
	_   struct{} `cbor:",toarray"`
	ID  uint64
	Len int64
	Sum []byte
}

type logMark struct {
	_           struct{} `cbor:",toarray"`
	Scope       string
	Class       uint8
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Seq         uint64
	Hash        crdt.Hash
}

func markLog(id crdt.LogID, h crdt.Head) logMark {
	return logMark{Scope: string(id.Scope), Class: uint8(id.Class), Device: id.Device, Incarnation: id.Incarnation, Seq: h.Seq, Hash: h.Hash}
}

func (m logMark) id() crdt.LogID {
	return crdt.LogID{Device: m.Device, Incarnation: m.Incarnation, Scope: crdt.Scope(m.Scope), Class: crdt.Class(m.Class)}
}

func (m logMark) head() crdt.Head { return crdt.Head{Seq: m.Seq, Hash: m.Hash} }

// known is what a heads file says: its newest frame, and the heads of all logs.
type known struct {
	frame
	heads map[crdt.LogID]crdt.Head
}

var errHeads = errors.New("it isn't as it was written")

// readHeads reads a heads file. The error is errHeads where anything but a torn
// end is wrong, and then what could be read is given too.
func readHeads(name string, keys keyring.Keys) (k known, err error) {
	k.heads = map[crdt.LogID]crdt.Head{}
	b, err := os.ReadFile(name)
	if err != nil {
		return k, err
	}
	mac := newDigester(keys, purposeHeads)
	if len(b) < headsAlign || string(b[:8]) != headsMagic || !mac.is(b[32:48], b[:32]) || [16]byte(b[8:24]) != keys.StoreID {
		return k, errHeads
	}
	gap, found := false, false
	for at := headsAlign; at+headsAlign <= len(b); {
		f, size, ok := readFrame(mac, b[24:32], b[at:], at)
		if !ok {
			gap = true
			at += headsAlign
			continue
		}
		if gap || f.Commit < k.Commit {
			err = errHeads // a frame behind one that can't be read
		}
		k.frame, found = f, true
		for _, l := range f.Logs {
			k.heads[l.id()] = l.head()
		}
		at += size
	}
	if !found {
		err = errHeads
	}
	return k, err
}

func readFrame(mac *digester, nonce, b []byte, at int) (f frame, size int, ok bool) {
	n := int(binary.BigEndian.Uint32(b))
	if n == 0 || n > len(b)-4-macSize {
		return f, 0, false
	}
	body, sum := b[4:4+n], b[4+n:4+n+macSize]
	if !mac.is(sum, frameHead(nonce, at), body) || wire.Unmarshal(body, n, &f) != nil {
		return f, 0, false
	}
	return f, aligned(4 + n + macSize), true
}

func frameHead(nonce []byte, at int) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(nonce), uint64(at))
}

func aligned(n int) int { return (n + headsAlign - 1) / headsAlign * headsAlign }

// headsFile is a heads file that is written.
type headsFile struct {
	name  string
	keys  keyring.Keys
	mac   *digester
	sync  func(*os.File) error
	heads map[crdt.LogID]crdt.Head
	last  frame // the newest that is in the file

	f     *os.File
	nonce []byte
	at    int64
	size  int64
}

// put writes a frame, durably, starting the file anew when it is full.
func (h *headsFile) put(f frame, moved map[crdt.LogID]crdt.Head) (err error) {
	defer func() {
		if err == nil {
			h.last = f
		}
	}()
	for id, head := range moved {
		h.heads[id] = head
	}
	if h.f != nil {
		f.Logs = markLogs(moved)
		b, err := h.encode(f)
		if err != nil {
			return err
		}
		if h.at+int64(len(b)) <= h.size {
			return h.write(b)
		}
	}
	return h.restart(f)
}

func markLogs(heads map[crdt.LogID]crdt.Head) []logMark {
	marks := make([]logMark, 0, len(heads))
	for id, head := range heads {
		marks = append(marks, markLog(id, head))
	}
	slices.SortFunc(marks, func(a, b logMark) int { return a.id().Compare(b.id()) })
	return marks
}

func (h *headsFile) encode(f frame) ([]byte, error) {
	body, err := wire.Marshal(f)
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(b, body...)
	b = append(b, h.mac.sum(frameHead(h.nonce, int(h.at)), body)...)
	return append(b, make([]byte, aligned(len(b))-len(b))...), nil
}

func (h *headsFile) write(b []byte) error {
	if _, err := h.f.WriteAt(b, h.at); err != nil {
		return fmt.Errorf("write the heads: %w", err)
	}
	h.at += int64(len(b))
	if err := h.sync(h.f); err != nil {
		return fmt.Errorf("write the heads: %w", err)
	}
	return nil
}

// restart writes the file anew, with all heads in its first frame.
func (h *headsFile) restart(f frame) (err error) {
	h.nonce = make([]byte, 8)
	rand.Read(h.nonce) // never fails: crypto/rand
	h.at = headsAlign
	f.Logs = markLogs(h.heads)
	first, err := h.encode(f)
	if err != nil {
		return err
	}
	b := append(h.header(), first...)
	h.at, h.size = int64(len(b)), int64(len(b)+headsSpace)
	if err := h.close(); err != nil {
		return err
	}
	if err := replaceFile(h.name, append(b, make([]byte, headsSpace)...)); err != nil {
		return fmt.Errorf("write the heads anew: %w", err)
	}
	h.f, err = os.OpenFile(h.name, os.O_RDWR, 0)
	return err
}

func (h *headsFile) header() []byte {
	b := slices.Concat([]byte(headsMagic), h.keys.StoreID[:], h.nonce)
	b = append(b, h.mac.sum(b)...)
	return append(b, make([]byte, headsAlign-len(b))...)
}

func (h *headsFile) close() error {
	if h.f == nil {
		return nil
	}
	f := h.f
	h.f = nil
	return f.Close()
}
