package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
)

// localAhead is the kind of the items that name records with a claim further in the
// future than is believed: scope, ms and place, so that the checkpoint which makes
// it believable finds them.
const localAhead = "ahead"

func aheadName(scope crdt.Scope, ms int64, place []byte) string {
	return fmt.Sprintf("%s/%016x/%s", scope, ms, place)
}

// noteClaims notes a record if a claim of it lies too far ahead.
func (b *batch) noteClaims(r *crdt.Record) error {
	a := b.now.of(r.Scope)
	if a == nil {
		return nil
	}
	ahead := int64(0)
	eachCell(r, func(c crdt.Cell) {
		for _, w := range c.Writes {
			if ms := w.Stamp.Millis(); ms > a.TimeMS+crdt.MaxClaimAhead && (ahead == 0 || ms < ahead) {
				ahead = ms
			}
		}
	})
	if ahead == 0 {
		return nil
	}
	return b.tx.PutLocal(localAhead, aheadName(r.Scope, ahead, store.Place(r.Collection, r.Ref.ID())), []byte{})
}

// aheadUntil adds the places of the records whose claim lies at or before a moment.
func aheadUntil(tx *store.Tx, scope crdt.Scope, ms int64, places map[string]bool) error {
	return tx.Locals(localAhead, func(name string, _ []byte) error {
		rest, ok := strings.CutPrefix(name, string(scope)+"/")
		at, place, cut := strings.Cut(rest, "/")
		claim, err := strconv.ParseInt(at, 16, 64)
		if ok && cut && err == nil && claim <= ms {
			places[place] = true
		}
		return nil
	})
}

// localCited is the kind of the items that name records of which an entry cites a
// checkpoint that wasn't held when it came: scope, cite and place. What it says
// counts from that checkpoint on.
const localCited = "cited"

func citedName(c crdt.Cite, scope crdt.Scope, place string) string {
	return fmt.Sprintf("%s/%016x/%016x/%s", scope, c.Epoch, c.Index, place)
}

// noteCite notes a record that an entry wrote, if the checkpoint cited isn't held.
func (b *batch) noteCite(entry *crdt.Entry, name recordName) error {
	var newest crdt.Cite
	if a := b.now.of(entry.Log.Scope); a != nil {
		newest = a.Newest
	}
	if entry.Cites.Compare(newest) <= 0 {
		return nil
	}
	place := string(store.Place(name.collection, name.id))
	return b.tx.PutLocal(localCited, citedName(entry.Cites, entry.Log.Scope, place), []byte{})
}

// citing adds the places of the records that wait for a checkpoint.
func citing(tx *store.Tx, at crdt.Cite, scope crdt.Scope, places map[string]bool) error {
	prefix := citedName(at, scope, "")
	return tx.Locals(localCited, func(name string, _ []byte) error {
		if place, ok := strings.CutPrefix(name, prefix); ok {
			places[place] = true
		}
		return nil
	})
}
