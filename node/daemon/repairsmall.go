package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/backup"
)

// smallKinds are the local items that are worth saving: they are in no log, and by the
// checkpoints what is read depends on them.
var smallKinds = map[string]bool{
	"officers": true, "receipt": true, "heard": true, "certificate": true, "salt": true, "checkpoint": true,
	cutLines: true, engine.KindGroup: true, engine.KindSigned: true, engine.KindTwoFaced: true, engine.KindErasure: true, engine.KindLate: true, engine.KindFloor: true, kindAside: true,
}

// changing are those of them of which a later one takes the place of the one before:
// where the newest can't be read any more, an older one comes back, and nothing in it
// says so.
var changing = map[string]bool{"officers": true, cutLines: true}

type localItem struct {
	kind, name string
	value      []byte
}

// smallPiece is how many items one transaction takes over.
const smallPiece = 512

// loadSmall takes over what is in no log.
func (m *mender) loadSmall(s *store.Store) error {
	whole, err := m.disk.Whole()
	if err != nil {
		return err
	}
	var items []localItem
	err = m.disk.Locals(func(kind, name string, value []byte) error {
		item := m.readable(localItem{kind, name, bytes.Clone(value)})
		if smallKinds[item.kind] {
			items = append(items, item)
		}
		if kind == engine.KindStaged || item.kind == engine.KindLate {
			m.after = append(m.after, item)
		}
		if kind == engine.KindErasure {
			m.report.Orders++
		}
		return nil
	})
	if err == nil {
		err = s.Update(m.loadMeta)
	}
	for piece := range slices.Chunk(items, smallPiece) {
		if err != nil {
			return err
		}
		err = s.Update(func(tx *store.Tx) error {
			for _, item := range piece {
				if err := m.takeSmall(tx, item, whole); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

// kindAside is of items of a good MAC that this program can't decode: a fault of the
// program's that wrote them. They stay for whoever looks into it, and nothing reads them.
const kindAside = "aside"

// readable is an item as it is to be taken over. One of what came too late that can't be
// decoded is made anew of its name and its entry; where that can't be, it is set aside.
func (m *mender) readable(item localItem) localItem {
	if item.kind != engine.KindLate {
		return item
	}
	if value := engine.ReadableLate(item.name, item.value); value != nil {
		return localItem{item.kind, item.name, value}
	}
	name := item.kind + "/" + item.name
	m.report.Aside = append(m.report.Aside, name)
	return localItem{kindAside, name, item.value}
}

func (m *mender) loadMeta(tx *store.Tx) error {
	for _, name := range []string{"clock", metaEpoch} {
		b, err := m.disk.Meta(name)
		if err == nil && b != nil {
			err = tx.PutMeta(name, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeSmall takes an item over: of the disk's copy and the backup's the newer, as far
// as that can be known, and else the disk's, which is told by its kind.
func (m *mender) takeSmall(tx *store.Tx, item localItem, whole bool) error {
	value := item.value
	if item.kind == engine.KindErasure {
		value = engine.Reorder(value)
	}
	if !changing[item.kind] || whole {
		return tx.PutLocal(item.kind, item.name, value)
	}
	backed, err := tx.Local(item.kind, item.name)
	if err != nil {
		return err
	}
	if !slices.Contains(m.report.Older, item.kind) {
		m.report.Older = append(m.report.Older, item.kind)
	}
	if backed != nil {
		age, err := m.disk.Than(m.set, m.setMS, item.kind, item.name)
		if err != nil || age == store.Older {
			return err
		}
	}
	return tx.PutLocal(item.kind, item.name, value)
}

// takeCompacted begins logs of which compaction has dropped entries where they go on:
// what was dropped is in the records that the disk still has. A backup holds its own.
func (m *mender) takeCompacted() error {
	logs, err := m.disk.Compacted()
	if err != nil || len(logs) == 0 || m.report.Backup > 0 {
		return err
	}
	floor := map[crdt.LogID]engine.Base{}
	for id, at := range logs {
		floor[id] = engine.Base{Head: at.Head, Cite: at.Cite}
	}
	whole, err := m.disk.Whole()
	if err != nil {
		return err
	}
	if !whole {
		m.report.Older = append(m.report.Older, olderRecords)
	}
	return m.fresh.engine.InstallSnapshot(m.ctx, m.disk.Records(m.ctx), floor)
}

// takeAfter takes in, behind the logs, what was written down and not wholly applied,
// which officers were told not to enter again. Of what came too late only that stays of
// which the entry is there: where it is lost, that is told with its log.
func (m *mender) takeAfter() error {
	m.staged = map[crdt.LogID]uint64{}
	for _, item := range m.after {
		if item.kind != engine.KindStaged {
			continue
		}
		if err := m.takeStaged(item); err != nil {
			return fmt.Errorf("take in what was written down of %s: %w", item.name, err)
		}
	}
	for _, item := range m.after {
		if item.kind != engine.KindLate {
			continue
		}
		if err := m.fresh.engine.CheckLate(item.name, item.value); err != nil {
			return fmt.Errorf("look at %s: %w", item.name, err)
		}
	}
	return nil
}

// takeStaged takes in what was written down. What doesn't fit (entries before it are
// lost) counts as lost with them.
func (m *mender) takeStaged(item localItem) error {
	s, err := engine.StagedSegment(item.value, m.sign)
	if err != nil { // of a good MAC, so a fault of the program's: no reason to mend nothing
		m.report.Lost = append(m.report.Lost, Span{Log: item.name})
		return nil
	}
	fits, err := m.take(s)
	if err != nil {
		return err
	}
	if !fits {
		m.staged[s.Log] = max(m.staged[s.Log], s.Last())
		return nil
	}
	m.report.Unused = slices.DeleteFunc(m.report.Unused, func(u Span) bool {
		return u.Log == s.Log.String() && u.From >= s.First && u.To <= s.Last()
	})
	return nil
}

// OlderSays is what a kind in Repaired.Older is.
func OlderSays(kind string) node.Text {
	return map[string]node.Text{
		"officers": {VI: "danh sách cán bộ và mật khẩu", EN: "the officers and their passwords"},
		cutLines:   {VI: "các đường truyền đã ngắt", EN: "the lines that were cut"},
		olderRecords: {
			VI: "hồ sơ có phần nhật ký đã được nén (hãy đồng bộ với tỉnh, hoặc sửa lại với --from BẢN_SAO_LƯU nếu có)",
			EN: "records of which part of the log was compacted (sync with the province, or repair with --from BACKUP if there is one)",
		},
	}[kind]
}

// olderRecords stands in Repaired.Older for records of which compaction has dropped
// entries: a copy that was lost can't be made anew of them.
const olderRecords = "records"

// mendAttached takes attachments that are damaged or missing from where more is, and
// tells of those that it hasn't found.
func (m *mender) mendAttached(o RepairOrder, isSet, isNode bool) (err error) {
	wrong := map[string]bool{}
	look := func(f func(Finding)) error {
		_, err := verifyAttached(m.ctx, m.attached, m.fresh.engine, f)
		return err
	}
	err = look(func(f Finding) {
		if f.Kind != string(attach.Foreign) {
			wrong[f.Place[strings.LastIndexByte(f.Place, '/')+1:]] = true
		}
	})
	if err != nil || len(wrong) == 0 {
		return err
	}
	wants := func(h attach.Hash) bool { return wrong[m.attached.FileOf(h)] }
	switch {
	case isSet:
		err = m.attachedOfSet(o, wants)
	case isNode:
		err = m.attachedOfNode(o.From, wants)
	}
	if err != nil {
		return fmt.Errorf("mend attachments: %w", err)
	}
	left := map[string]bool{}
	err = look(func(f Finding) {
		if f.Kind != string(attach.Foreign) {
			m.report.AttachedLost = append(m.report.AttachedLost, f)
			left[f.Place] = true
		}
	})
	m.report.Attached = len(wrong) - len(left)
	return err
}

func (m *mender) attachedOfSet(o RepairOrder, wants func(attach.Hash) bool) error {
	set, manifest, err := m.openSet(o)
	if err != nil {
		return err
	}
	sink := &attachSink{ctx: m.ctx, store: m.attached, wants: wants}
	err = set.Restore(m.ctx, manifest, backup.Sink{File: func(name string, offset uint64, piece []byte) error {
		if !strings.HasPrefix(name, backupAttach) {
			return nil
		}
		return sink.piece(name, offset, piece)
	}})
	return errors.Join(err, sink.end(), set.Close())
}

func (m *mender) attachedOfNode(dir string, wants func(attach.Hash) bool) (err error) {
	other, err := OpenStored(dir, m.opts)
	if err != nil {
		return fmt.Errorf("open the other node: %w", err)
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	return other.attached.Each(m.ctx, func(h attach.Hash) error {
		if !wants(h) {
			return nil
		}
		return copyAttachment(m.ctx, m.attached, other.attached, h)
	}, func(attach.Finding) {}) // what the other lacks stays told of here
}

func copyAttachment(ctx context.Context, to, from *attach.Store, h attach.Hash) (err error) {
	f, err := from.Open(h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, _, err = to.Put(ctx, f)
	return err
}
