package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/backup"
)

// RepairOrder is what a repair is asked for.
type RepairOrder struct {
	// From is where more may be: a set of backups of this node, or the directory of
	// another node that isn't running. Empty: the disk alone.
	From string
	Who  []age.Identity // opens the set; nil: the node's own key
	// Empty allows a new store that begins with nothing, where the disk has nothing to
	// take: what others have received comes back by syncing, and nothing else.
	Empty bool
}

// Repaired is what came back, and what did not.
type Repaired struct {
	Damaged   []string `json:"damaged"`    // files that could not be read whole
	Values    uint64   `json:"values"`     // read from them, each with a good MAC
	ValuesBad uint64   `json:"values_bad"` // not believed
	Backup    uint64   `json:"backup"`     // the backup that was taken; 0: none
	Entries   uint64   `json:"entries"`    // in the logs now
	Lost      []Span   `json:"lost"`       // entries that were there and aren't
	Unused    []Span   `json:"unused"`     // read from the disk, and useless until what is before them is back
	Older     []string `json:"older"`      // kinds of items that are in no log, and may be older than the last that was written
	Aside     []string `json:"aside"`      // items that can't be decoded, kept as they are
	Was       string   `json:"was"`        // where the old store lies now
	Orders    int      `json:"orders"`     // to erase, which the old store may not obey
	Removed   []string `json:"removed"`    // stores put aside earlier, for those orders

	Certificates []string  `json:"certificates"` // taken from the backup
	Attached     int       `json:"attached"`     // attachments taken from where more was
	AttachedLost []Finding `json:"attached_lost"`
}

// Span is a piece of a log; from 0 to 0, one of which nobody can tell any more where it lies.
type Span struct {
	Log  string `json:"log"`
	Own  bool   `json:"own"` // written by this device
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Repair makes the node's store anew from what can be believed: entries that can be
// read from its files, whatever is wrong around them; a backup, or another node, if
// there is one. Records and all else are computed from the entries again, by the
// same way as when they came first. The old store is put aside and stays; a crash
// anywhere leaves it in its place, or the new one. The device goes on under a new
// incarnation. What is lost and was received by others comes back by syncing.
func Repair(ctx context.Context, dir string, o RepairOrder, opts Options) (r Repaired, err error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	mend := func() (err error) {
		r.Certificates, err = d.mendCertificates(ctx, o)
		return err
	}
	if _, err := d.open(d.lock, d.openKeys, mend, d.lookAtSelf, d.limitMemory, d.loadPack, d.openAttachments); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	m := mender{Daemon: d, ctx: ctx, report: &r}
	at := filepath.Join(dir, dirStore)
	if m.disk, err = store.Salvage(ctx, at, d.storeOptions()); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, m.disk.Close()) }()
	r.Damaged, r.Values, r.ValuesBad = m.disk.Damaged(), m.disk.Values, m.disk.ValuesBad
	if r.Values+r.ValuesBad == 0 && !store.There(at) && o.From == "" && !o.Empty {
		return r, nothingLeft(at)
	}
	if r.Was, err = store.Replace(at, func(next string) error { return m.build(next, o) }); err != nil || r.Orders == 0 {
		return r, err
	}
	r.Removed, err = store.RemoveAside(at, r.Was, at+".salvage")
	return r, err
}

// nothingLeft is the store whose disk isn't mounted, most often: an empty one in its
// place would be taken for it.
func nothingLeft(at string) error {
	return node.Errorf(node.NotFound,
		"Không có gì đọc được ở kho %s: có lẽ ổ đĩa của nó chưa được gắn. Hãy gắn rồi thử lại; nếu mất thật, chạy lại với --from (bản sao lưu, hoặc thư mục của nút khác). Không có cả hai thì --empty bắt đầu một kho trống, và chỉ những gì máy khác đã nhận mới trở về.",
		"there is nothing to read in the store %s: perhaps its disk isn't mounted. Mount it and try again; if it is lost, run again with --from (a backup, or another node's directory). Without either, --empty begins an empty store, and only what other devices have received comes back", at)
}

func (d *Daemon) storeOptions() store.Options {
	return store.Options{Log: d.opts.Log, Keys: d.ring.Keys(), Now: d.opts.Now, Busy: d.memoryBusy}
}

// mender builds the new store.
type mender struct {
	*Daemon
	ctx    context.Context
	disk   *store.Salvaged
	fresh  *Daemon // on the new store
	report *Repaired
	set    [16]byte              // of backups, from which more was taken
	setMS  int64                 // when that backup was made
	after  []localItem           // to be taken over once the logs are there
	staged map[crdt.LogID]uint64 // how far logs went by what was written down and not wholly applied
}

func (m *mender) build(next string, o RepairOrder) (err error) {
	s, err := store.Open(next, m.storeOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	isSet, isNode, err := kindOf(o.From)
	if err != nil {
		return err
	}
	if isSet {
		if err := m.loadBackup(s, o); err != nil {
			return err
		}
	}
	if err := m.loadSmall(s); err != nil {
		return err
	}
	m.fresh = &Daemon{dir: m.dir, opts: m.opts, self: m.self, ring: m.ring, pack: m.pack, store: s, attached: m.attached}
	if err := m.fresh.openEngine(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.fresh.engine.Close()) }()
	if err := m.takeCompacted(); err != nil {
		return err
	}
	if isNode {
		if err := m.takeNode(o.From); err != nil {
			return err
		}
	}
	if err := m.takeDisk(); err != nil {
		return err
	}
	if err := m.takeAfter(); err != nil {
		return err
	}
	if err := m.count(s); err != nil {
		return err
	}
	return m.mendAttached(o, isSet, isNode)
}

// kindOf says what there is to repair from.
func kindOf(from string) (isSet, isNode bool, err error) {
	if from == "" {
		return false, false, nil
	}
	if _, err := os.Stat(filepath.Join(from, fileConfig)); err == nil {
		return false, true, nil
	}
	_, err = os.Stat(from)
	return err == nil, false, err
}

// openSet opens the set of backups to repair from, and its newest backup.
func (d *Daemon) openSet(o RepairOrder) (*backup.Set, *backup.Manifest, error) {
	who := o.Who
	if who == nil {
		who = []age.Identity{backup.Own(d.ring.Keys())}
	}
	set, err := backup.Open(o.From, who...)
	if err != nil {
		return nil, nil, err
	}
	manifest, err := set.Manifest(0)
	if err != nil {
		return nil, nil, errors.Join(err, set.Close())
	}
	return set, manifest, nil
}

// loadBackup begins with what the newest backup holds.
func (m *mender) loadBackup(s *store.Store, o RepairOrder) error {
	set, manifest, err := m.openSet(o)
	if err != nil {
		return err
	}
	if manifest.Device != m.self.claims.Device {
		err = node.Errorf(node.Invalid, "Bản sao lưu trong %s là của thiết bị khác.", "the backup in %s is of another device", o.From)
	}
	if err == nil && manifest.StoreFormat != store.Format {
		err = node.Errorf(node.Invalid, "Bản sao lưu trong %s có định dạng kho cũ. Hãy khôi phục nó vào thư mục mới (`vungxa restore`), rồi sửa với --from thư mục đó.",
			"the backup in %s is of an older store format; restore it to a new directory (`vungxa restore`), and repair with --from that", o.From)
	}
	if err == nil {
		err = s.Load(func(put func(key, value []byte) error) error {
			return set.Restore(m.ctx, manifest, backup.Sink{Item: put})
		})
	}
	if err == nil {
		err = s.Forget()
	}
	if err == nil {
		err = sealLogs(s, m.self.claims.Device, m.sign)
	}
	if err == nil {
		m.report.Backup, m.set, m.setMS = manifest.Number, set.ID(), manifest.MadeMS
	}
	return errors.Join(err, set.Close())
}

// takeNode takes in what another node has sealed.
func (m *mender) takeNode(dir string) (err error) {
	other, err := OpenStored(dir, m.opts)
	if err != nil {
		return fmt.Errorf("open the other node: %w", err)
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	return other.engine.Segments(func(s *wire.Segment) error {
		claims, known := m.self.directory.ByDevice(s.Log.Device)
		if !known || !s.Seal.Verify(s.Log, claims.SealKey) {
			return nil // of someone whom this node doesn't know: syncing will bring both
		}
		_, err := m.take(s)
		return err
	})
}

// take takes a segment in, and says whether it fitted.
func (m *mender) take(s *wire.Segment) (fits bool, err error) {
	err = m.fresh.engine.Ingest(m.ctx, []*wire.Segment{s})
	if errors.Is(err, engine.ErrBranch) {
		return true, nil
	}
	if errors.Is(err, engine.ErrGap) || errors.Is(err, engine.ErrFork) {
		return false, nil
	}
	return err == nil, err
}

// segmentBytes is how long a segment may get before it is cut at its last seal.
const segmentBytes = 128 << 10

// takeDisk takes in what could be read from the disk.
func (m *mender) takeDisk() error {
	var run store.Piece // what is not taken yet, with its seals
	end := func() error {
		if err := m.takeRun(&run, true); err != nil {
			return err
		}
		run = store.Piece{}
		return nil
	}
	err := m.disk.Pieces(func(p store.Piece) error {
		if len(run.Entries) > 0 && (p.Log != run.Log || p.First != run.Last()+1) {
			if err := end(); err != nil {
				return err
			}
		}
		if len(run.Entries) == 0 {
			run.Log, run.First = p.Log, p.First
		}
		run.Entries, run.Seals = append(run.Entries, p.Entries...), append(run.Seals, p.Seals...)
		return m.takeRun(&run, false)
	})
	if err != nil {
		return err
	}
	return end()
}

// takeRun cuts a run at its seals and takes the pieces in. At the run's end, entries
// of this device that no seal covers are sealed now; those of others nobody vouches
// for.
func (m *mender) takeRun(run *store.Piece, last bool) error {
	if len(run.Entries) == 0 {
		return nil
	}
	if last && m.own(run.Log) && (len(run.Seals) == 0 || run.Seals[len(run.Seals)-1].Seq < run.Last()) {
		head := crdt.Head{Seq: run.Last(), Hash: wire.ChainHash(run.Entries[len(run.Entries)-1])}
		seal, err := wire.Sign(run.Log, head, m.sign)
		if err != nil {
			return err
		}
		run.Seals = append(run.Seals, seal)
	}
	for len(run.Seals) > 0 {
		n := m.cut(run)
		seal := run.Seals[n]
		count := seal.Seq + 1 - run.First
		s := &wire.Segment{Log: run.Log, First: run.First, Entries: run.Entries[:count], Seal: seal}
		fits, err := m.take(s)
		if err != nil {
			return err
		}
		if !fits {
			m.unused(run.Log, run.First, seal.Seq)
		}
		run.First, run.Entries, run.Seals = seal.Seq+1, run.Entries[count:], run.Seals[n+1:]
	}
	if last && len(run.Entries) > 0 {
		m.unused(run.Log, run.First, run.Last())
	}
	return nil
}

// cut is the last of the run's seals up to which a segment isn't too long.
func (m *mender) cut(run *store.Piece) (n int) {
	size := 0
	for i, seal := range run.Seals {
		from := run.First
		if i > 0 {
			from = run.Seals[i-1].Seq + 1
		}
		for seq := from; seq <= seal.Seq; seq++ {
			size += len(run.Entries[seq-run.First])
		}
		if i > 0 && size > segmentBytes {
			break
		}
		n = i
	}
	return n
}

func (m *mender) own(log crdt.LogID) bool { return log.Device == m.self.claims.Device }

func (m *mender) unused(log crdt.LogID, from, to uint64) {
	u := m.report.Unused
	if n := len(u); n > 0 && u[n-1].Log == log.String() && u[n-1].To+1 == from {
		u[n-1].To = to
		return
	}
	m.report.Unused = append(u, Span{Log: log.String(), Own: m.own(log), From: from, To: to})
}

// count compares what is there to what was.
func (m *mender) count(s *store.Store) error {
	heads, err := m.disk.Heads()
	if err != nil {
		return err
	}
	for id, last := range m.staged {
		heads[id] = crdt.Head{Seq: max(last, heads[id].Seq)}
	}
	return s.View(func(tx *store.Tx) error {
		err := tx.Logs(func(l store.Log) error {
			m.report.Entries += l.Head.Seq - l.Dropped.Seq
			return nil
		})
		for id, head := range heads {
			l, logErr := tx.Log(id)
			if err = errors.Join(err, logErr); err == nil && l.Head.Seq < head.Seq {
				m.report.Lost = append(m.report.Lost, Span{Log: id.String(), Own: m.own(id), From: l.Head.Seq + 1, To: head.Seq})
			}
		}
		return err
	})
}
