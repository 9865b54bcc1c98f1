package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Ref names a record: by the dot of the operation that created it, or, in
// collections with a natural key, by a hash of (scope, collection, key), so
// that two offices importing one file make one record. Just one is set.
type Ref struct {
	Dot   Dot
	Key   [16]byte
	Scope Scope // of a key; a dot has its log's
}

// RecordID is a Ref in 16 bytes, for store keys and for the world outside.
type RecordID [16]byte

// RefByKey names a record by its source's own key: never a personal identifier.
func RefByKey(scope Scope, collection, key string) Ref {
	h := sha256.New()
	for _, part := range []string{"vungxa record key 1", string(scope), collection, key} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return Ref{Key: [16]byte(h.Sum(nil)), Scope: scope}
}

// ByKey says whether the record is named by a natural key.
func (r Ref) ByKey() bool { return r.Key != [16]byte{} }

// ID is the record's id: a hash of the key, or of the creation dot, and either
// way of the scope. So an entry of one scope can't name a record of another,
// whatever key it makes up.
func (r Ref) ID() RecordID {
	h := sha256.New()
	if r.ByKey() {
		h.Write([]byte("vungxa record id 1"))
		h.Write([]byte{byte(len(r.Scope))})
		h.Write([]byte(r.Scope))
		h.Write(r.Key[:])
		return RecordID(h.Sum(nil))
	}
	h.Write([]byte("vungxa record dot 1"))
	h.Write(r.Dot.Log.Device[:])
	h.Write(r.Dot.Log.Incarnation[:])
	h.Write([]byte{byte(r.Dot.Log.Class), byte(len(r.Dot.Log.Scope))})
	h.Write([]byte(r.Dot.Log.Scope))
	var n [10]byte
	binary.BigEndian.PutUint64(n[:], r.Dot.Seq)
	binary.BigEndian.PutUint16(n[8:], r.Dot.Index)
	h.Write(n[:])
	return RecordID(h.Sum(nil))
}

func (id RecordID) String() string { return hex.EncodeToString(id[:]) }

// ParseRecordID reads what RecordID.String writes: 32 hexadecimal digits.
func ParseRecordID(s string) (RecordID, error) {
	var id RecordID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("record id %q: want 32 hexadecimal digits", s)
	}
	return RecordID(b), nil
}
