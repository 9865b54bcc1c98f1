package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
)

// inspection looks at a store's files before Badger does, which would believe,
// cut off or delete them. What it finds wrong goes to the damage list; what can be
// put right from elsewhere is.
type inspection struct {
	*Store
	known  known      // what the heads file says
	before tablesFile // what the tables file says
	wals   map[uint64]*wal
	// suspect says that Badger may fall over what is there, so that a child opens
	// it first, and that everything is read before the first answer.
	suspect bool
	// rolledBack says that tables file and MANIFEST are of one earlier time: then
	// the store is how it was, and what came since is gone.
	rolledBack bool
	// remade says that Badger wrote the MANIFEST anew just before the end, so that
	// it doesn't tell what was flushed since the heads file spoke of it.
	remade bool
	// lost says that commits may be missing which the heads file can't name.
	lost bool
}

func (s *Store) inspect() (*inspection, error) {
	i := &inspection{Store: s, wals: map[uint64]*wal{}}
	for _, step := range []func() error{
		i.readTables, i.readHeads, i.checkRegistry, i.checkManifest, i.keepTables, i.checkWALs, i.checkTables, i.clearValueLog, i.readFiles,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("inspect the store: %w", err)
		}
	}
	return i, nil
}

// wrong notes a file that isn't as it was written.
func (i *inspection) wrong(name string) {
	i.suspect = true
	i.found(Damage{Kind: DamagedFile, Place: name})
}

// distrust says that nothing between two keys can be believed.
func (i *inspection) distrust(name string, first, last []byte) {
	i.suspect = true
	i.found(Damage{Kind: DamagedRange, Place: name, first: first, last: last})
}

func (i *inspection) distrustAll(name string) {
	i.distrust(name, []byte{}, bytes.Repeat([]byte{0xff}, MaxKey))
}

func (i *inspection) readTables() error {
	t, err := readTables(i.path(fileTables), i.opts.Keys)
	switch {
	case err == nil:
		i.before = t
		for _, d := range loadDamage(t.Damage) {
			i.remember(d)
			if d.Kind == DamagedFile {
				i.earlier = append(i.earlier, d)
			}
		}
	case errors.Is(err, fs.ErrNotExist):
	default:
		i.wrong(fileTables)
		return i.aside(i.path(fileTables))
	}
	return nil
}

func (i *inspection) readHeads() error {
	k, err := readHeads(i.path(fileHeads), i.opts.Keys)
	i.known = k
	switch {
	case err == nil && i.before.Number < k.Tables:
		i.wrong(fileTables) // gone, or from another time
		if !i.names(i.before.Manifest) {
			i.before = tablesFile{}
		}
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && i.before.Number == 0 && i.empty():
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errHeads):
		i.lost = true
		i.wrong(fileHeads)
		return i.aside(i.path(fileHeads))
	default:
		return err
	}
	return nil
}

// empty says that nothing was ever committed, as far as Badger's files tell.
func (i *inspection) empty() bool {
	m, _, err := readManifest(i.gen, 0)
	if len(m.live) > 0 || errors.Is(err, errManifest) {
		return false
	}
	ids, err := walIDs(i.gen)
	for _, id := range ids {
		w := &wal{ID: id, sum: i.files.hasher()}
		if w.advance(i.gen, i.buffer()) != nil || w.Len > 0 {
			return false
		}
	}
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// checkRegistry puts Badger's key registry back if it isn't as it was made:
// without it nothing could be read.
func (i *inspection) checkRegistry() error {
	name := filepath.Join(i.gen, badger.KeyRegistryFileName)
	now, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if i.before.Registry == nil || !i.opts.keeps(RuleTables) {
		i.tables.Registry = now
		return nil
	}
	i.tables.Registry = i.before.Registry
	if bytes.Equal(now, i.before.Registry) {
		return nil
	}
	i.wrong(badger.KeyRegistryFileName)
	return errors.Join(i.aside(name), durable.WriteFile(name, i.before.Registry))
}

// checkManifest holds the MANIFEST to what the heads file says of its beginning.
// Where it isn't that, it is made anew of the tables file, if that is of the same
// moment.
func (i *inspection) checkManifest() error {
	said := i.known.Manifest
	if said.Len == 0 || !i.opts.keeps(RuleManifest) {
		return nil
	}
	m, b, err := readManifest(i.gen, said.Len)
	if err != nil && !errors.Is(err, errManifest) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	grown := int64(len(b)) > said.Len
	if err == nil && int64(len(b)) >= said.Len && i.files.is(said.Sum, b[:said.Len]) && !(grown && i.known.Clean) {
		return nil
	}
	if err == nil && int64(len(b)) == m.whole && !i.known.Clean && i.rewritten(m) {
		i.suspect, i.remade = true, true
		return nil
	}
	i.wrong(badger.ManifestFilename)
	if i.rolledBack = i.before.Number < i.known.Tables && i.names(i.before.Manifest); i.rolledBack {
		i.known.Manifest = i.before.Manifest
		return nil
	}
	if !bytes.Equal(i.before.Manifest.Sum, said.Sum) {
		i.distrustAll(badger.ManifestFilename)
		return nil
	}
	whole, err := encodeManifest(i.before.Tables)
	if err != nil {
		return err
	}
	i.known.Manifest = prefix{Len: int64(len(whole)), Sum: i.files.sum(whole)}
	return errors.Join(i.aside(manifestName(i.gen)), durable.WriteFile(manifestName(i.gen), whole))
}

// keepTables refuses where there are tables and no MANIFEST: Badger would take the
// store for a new one, and delete them.
func (i *inspection) keepTables() error {
	if exists(manifestName(i.gen)) {
		return nil
	}
	return i.refuseTables()
}

// refuseTables says that the store is gone but for its tables, if there are any.
func (s *Store) refuseTables() error {
	ids, err := fileIDs(s.gen, ".sst")
	if len(ids) > 0 {
		return node.Errorf(node.Damaged,
			"Kho dữ liệu %s chỉ còn các tệp dữ liệu, không còn tệp cho biết tệp nào là đúng. Chưa tệp nào bị xóa; hãy dùng `vungxa repair`, hoặc khôi phục từ bản sao lưu.",
			"of the store %s only tables are left, and nothing says which of them count; none was removed: use `vungxa repair`, or restore a backup", s.dir)
	}
	return ignore(err, fs.ErrNotExist)
}

// names says whether the MANIFEST begins as said.
func (i *inspection) names(said prefix) bool {
	ok, err := i.files.holdsPrefix(manifestName(i.gen), said.Len, said.Sum)
	return err == nil && ok && said.Len > 0
}

// rewritten says whether Badger may have written the MANIFEST anew just before the
// end, as it does when it has grown long: it names no table that was gone before,
// and if it lacks one, newer ones have taken its place.
func (i *inspection) rewritten(m manifest) bool {
	newest, newer, marks := uint64(0), false, i.before.byID()
	for id := range marks {
		newest = max(newest, id)
	}
	for id := range m.live {
		if _, known := marks[id]; !known && id <= newest {
			return false
		}
		newer = newer || id > newest
	}
	for id := range marks {
		if _, lives := m.live[id]; !lives && !newer {
			return false
		}
	}
	return m.rewritten
}

// checkWALs holds the write-ahead logs to what the heads file says of them. One
// that is gone has to have become a table since.
func (i *inspection) checkWALs() error {
	if !i.opts.keeps(RuleWAL) {
		return nil
	}
	gone := 0
	for n, said := range i.known.WALs {
		name := walName(i.gen, said.ID)
		if !exists(name) {
			gone++
			continue
		}
		if ok, err := i.files.holdsPrefix(name, said.Len, said.Sum); err != nil || ok {
			if err != nil {
				return err
			}
			continue
		}
		i.lose(filepath.Base(name), n == len(i.known.WALs)-1)
		if err := i.copyAside(name); err != nil {
			return err
		}
	}
	if gone > 0 && !i.remade { // then commit number and heads have to tell
		m, _, err := readManifest(i.gen, i.known.Manifest.Len)
		if err != nil && !errors.Is(err, errManifest) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if m.flushed < gone {
			i.lose("write-ahead log", gone == 1 && len(i.known.WALs) == 1)
		}
	}
	return nil
}

// lose notes that commits are gone. If they are the newest, what is left is how
// the store was before them; else it is no state that ever was.
func (i *inspection) lose(name string, newest bool) {
	i.wrong(name)
	if !newest && !i.rolledBack {
		i.distrustAll(name)
	}
}

// readFiles takes in how far the write-ahead logs and the MANIFEST have come, just
// before Badger opens them and makes tables of the logs.
func (i *inspection) readFiles() error {
	if info, err := os.Stat(manifestName(i.gen)); err == nil {
		m, _, err := readManifest(i.gen, 0)
		if ignore(err, errManifest) != nil {
			return err
		}
		i.manifest = followed{info: info, len: m.whole}
	}
	if !i.opts.keeps(RuleWAL) {
		return nil
	}
	clear(i.wals)
	ids, err := walIDs(i.gen)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if info, err := os.Stat(walName(i.gen, id)); err == nil && info.Size() == 0 {
			// A crash left it before Badger gave it its length; Badger would take
			// it for a failure.
			if err := os.Remove(walName(i.gen, id)); err != nil {
				return err
			}
			continue
		}
		w := &wal{ID: id, sum: i.files.hasher()}
		if err := w.advance(i.gen, i.buffer()); err != nil {
			return err
		}
		if w.Len > 0 {
			i.wals[id] = w
		}
	}
	return nil
}

func ignore(err error, these ...error) error {
	if slices.ContainsFunc(these, func(e error) bool { return errors.Is(err, e) }) {
		return nil
	}
	return err
}

// clearValueLog throws Badger's value log away, with the statistics of it: nothing
// of the store is ever in it, and damage in it would stop Badger.
func (i *inspection) clearValueLog() error {
	if !i.opts.keeps(RuleValueLog) {
		return nil
	}
	ids, err := fileIDs(i.gen, ".vlog")
	for _, id := range ids {
		err = errors.Join(err, os.Remove(filepath.Join(i.gen, fmt.Sprintf("%06d.vlog", id))))
	}
	return errors.Join(err, ignore(os.Remove(filepath.Join(i.gen, "DISCARD")), fs.ErrNotExist))
}

// noteOpening takes back that the store was closed: from here on Badger may change
// its files, and a crash may leave that unsaid.
func (i *inspection) noteOpening() error {
	if !i.known.Clean {
		return nil
	}
	f := i.known.frame
	f.Clean = false
	return i.heads.put(f, i.known.heads)
}

// settleHeads compares what Badger has come up with to the heads file.
func (i *inspection) settleHeads() error {
	if !i.opts.keeps(RuleHeads) {
		return nil
	}
	if i.known.Commit > i.commit {
		i.wrong("newest commits")
		i.recovered.Commits = i.known.Commit - i.commit
	}
	return i.View(func(tx *Tx) error {
		for id, said := range i.known.heads {
			l, err := tx.Log(id)
			if err := i.unread(err); err != nil {
				return err
			}
			if err != nil {
				continue
			}
			behind := l.Head.Seq < said.Seq
			if !behind && l.Head.Seq == said.Seq && l.Head.Hash != said.Hash {
				behind = true
			}
			if behind {
				i.recovered.Behind = append(i.recovered.Behind, Behind{Log: id, Held: l.Head, Known: said})
				i.found(Damage{Kind: DamagedLog, Place: "log", Log: id, From: l.Head.Seq + 1, To: max(said.Seq, l.Head.Seq+1)})
			}
		}
		return nil
	})
}

// unread passes an error on, unless it says that what the logs are can't be believed:
// that is on the list, and what the heads file knows of them stays as it is.
func (i *inspection) unread(err error) error {
	if node.CodeOf(err) != node.Damaged {
		return err
	}
	i.lost = true
	return nil
}

// Recovered says what Open found that the engine must know.
type Recovered struct {
	// Commits that were acknowledged and are gone, as far as they are known.
	Commits uint64
	// Behind are the logs that had come further than the store now knows.
	Behind []Behind
	// Unknown says that nobody knows how far the logs had come.
	Unknown bool
}

func (r Recovered) any() bool { return r.Commits > 0 || len(r.Behind) > 0 || r.Unknown }

// Behind is a log that was once ahead of what is held.
type Behind struct {
	Log         crdt.LogID
	Held, Known crdt.Head
}

// Recovered says what Open found. Where it names a log of this device, or is
// Unknown, this device begins a new incarnation: what it wrote under the old name
// may be elsewhere, and would be forked.
func (s *Store) Recovered() Recovered { return s.recovered }

// OwnAhead says whether logs of a device may have come further than is held here.
func (r Recovered) OwnAhead(device crdt.Device) bool {
	return r.Unknown || slices.ContainsFunc(r.Behind, func(b Behind) bool { return b.Log.Device == device })
}

// aside moves a damaged file to the directory of lost things.
func (s *Store) aside(name string) error { return s.putAside(name, os.Rename) }

// copyAside keeps a copy there of a file that Badger still needs.
func (s *Store) copyAside(name string) error {
	return s.putAside(name, func(from, to string) error {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return durable.WriteFile(to, b)
	})
}

// putAside sees to it that nothing which someone might still read is destroyed.
func (s *Store) putAside(name string, put func(from, to string) error) error {
	if !exists(name) {
		return nil
	}
	lost := s.path(dirLost)
	if err := os.MkdirAll(lost, 0o700); err != nil {
		return err
	}
	to := filepath.Join(lost, filepath.Base(name))
	for n := 1; exists(to); n++ {
		to = filepath.Join(lost, fmt.Sprintf("%s.%d", filepath.Base(name), n))
	}
	return put(name, to)
}
