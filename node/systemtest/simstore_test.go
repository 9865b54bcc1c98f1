//go:build linux

package systemtest

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
	"github.com/vungxa/vungxa/sync/simtest"
)

// engines makes the stores of a history of engines on directories. An image of a disk
// is a copy of the directory, taken between two writes: of a store each of whose
// writes is on the disk when it returns, that is what a power cut would leave. (That it
// is on the disk then, the tests with real power cuts see to.)
type engines struct {
	t    *testing.T
	dir  string
	n    int
	pack *schema.Pack
}

func newEngines(t *testing.T) *engines {
	t.Helper()
	pack, err := packs.Commune()
	if err != nil {
		t.Fatal(err)
	}
	return &engines{t: t, dir: t.TempDir(), pack: pack}
}

// Make is simtest.Maker's.
func (m *engines) Make(spec simtest.Spec, image any, _ bool) (simtest.Store, error) {
	m.n++
	dir := filepath.Join(m.dir, fmt.Sprint(m.n))
	if image != nil {
		if err := os.CopyFS(dir, os.DirFS(image.(string))); err != nil {
			return nil, err
		}
	}
	card, err := simtest.Card(spec)
	if err != nil {
		return nil, err
	}
	s := &engineStore{made: m, n: m.n, spec: spec, card: card, dir: dir}
	return s, s.open()
}

// engineStore is an engine, as a history knows it.
type engineStore struct {
	*engine.Engine
	made  *engines
	n     int // of all that were made
	spec  simtest.Spec
	card  *memlog.Node // the device's keys and certificate
	dir   string
	store *store.Store
	saves int
}

func (s *engineStore) open() error {
	var err error
	s.store, err = store.Open(s.dir, store.Options{
		Log: slog.New(slog.DiscardHandler), Keys: keyring.Keys{StoreID: [16]byte{1}, Data: [keyring.KeySize]byte{2}}, Ballast: -1, Now: s.spec.Now,
	})
	if err != nil {
		return err
	}
	err = s.store.View(func(tx *store.Tx) error {
		err := tx.Locals("certificate", func(_ string, cert []byte) error {
			_, err := s.card.Directory.Add(cert)
			return err
		})
		return errors.Join(err, tx.Locals(engine.KindGroup, func(_ string, cert []byte) error {
			_, err := s.card.Directory.AddGroup(cert)
			return err
		}))
	})
	if err != nil {
		return err
	}
	s.Engine, err = engine.Open(engine.Config{
		Store: s.store, Pack: s.made.pack, Device: s.card.Claims.Device, Role: s.spec.Role, Scopes: s.spec.Scopes,
		Sign: s.sign, RoleOf: s.roleOf, CheckSeal: s.card.Directory.VerifySeal, Now: s.spec.Now,
		Rand: rand.NewChaCha8([32]byte{byte(s.n), byte(s.n >> 8)}),
	})
	return err
}

func (s *engineStore) sign(m []byte) []byte { return ed25519.Sign(s.card.Keys.Seal, m) }

func (s *engineStore) roleOf(d crdt.Device) (identity.Role, bool) {
	c, ok := s.card.Directory.ByDevice(d)
	return c.Role, ok
}

func (s *engineStore) Self() simtest.Self {
	return simtest.SelfOf(s.card)
}

// Ingest takes segments in as the daemon does: what has gone through raft is applied as far
// as it fits, and only then is it asked whether it is held. A province's alone is the whole raft.
func (s *engineStore) Ingest(ctx context.Context, segments []*wire.Segment) error {
	if s.spec.Role != identity.RoleHub {
		return refused(s.Engine.Ingest(ctx, segments))
	}
	index, err := s.Applied()
	if err == nil {
		err = s.ApplySegments(index+1, segments)
	}
	for _, seg := range segments {
		if err != nil {
			return err
		}
		var held bool
		if held, err = s.Engine.Holds(seg); err == nil && !held {
			err = refused(cmp.Or(s.Fits(seg), errNotApplied))
		}
	}
	return err
}

// errNotApplied is the daemon's, for what fits and still isn't held.
var errNotApplied = errors.New("committed, and not yet applied here")

func refused(err error) error {
	if errors.Is(err, engine.ErrBranch) {
		return nil // kept, beside what is held
	}
	if errors.Is(err, engine.ErrFork) {
		return reconcile.Refuse(reconcile.Fork, "%v", err)
	}
	return err
}

func (s *engineStore) Sign(_ context.Context, scope crdt.Scope, heads []identity.LogHead) (*identity.Receipt, error) {
	r := &identity.Receipt{Signer: s.card.Claims.Device, Scope: scope, Heads: heads}
	if s.spec.Role == identity.RoleHub {
		index, err := s.Applied()
		if err != nil {
			return nil, err
		}
		r.HubEpoch, r.Index = 1, max(index, 1)
	}
	return r, r.Sign(s.sign)
}

const dossiers = "dossiers"

// Save makes a dossier, or edits, deletes or restores one that is here, as if its
// officer had seen all of it or, now and then, nothing.
func (s *engineStore) Save(draw *rand.Rand) (string, error) {
	s.saves++
	officer := fmt.Sprintf("thử %s %d.%d", s.spec.Name, s.n, s.saves)
	change, err := s.change(draw)
	if err != nil {
		return "", err
	}
	ids, err := s.Engine.Save(context.Background(), engine.Save{
		Officer: officer, Class: crdt.ClassRecords, Changes: []engine.Change{change},
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %v %s", s.spec.Scopes[0], ids[0], officer), nil
}

func (s *engineStore) change(draw *rand.Rand) (engine.Change, error) {
	now := s.spec.Now()
	values := map[string]any{"ChuHoSo": fmt.Sprint("Người Mẫu ", draw.IntN(1_000_000)), "TrangThaiHoSo": fmt.Sprint(1 + draw.IntN(10))}
	page, err := s.Search(context.Background(), engine.Query{Collection: dossiers, Limit: 100})
	if err != nil {
		return engine.Change{}, err
	}
	if len(page.Items) < 3 || draw.IntN(3) == 0 {
		values["MaTTHC"] = "2.000815"
		values["NgayTiepNhan"] = now.Add(-time.Duration(draw.IntN(72)) * time.Hour).UnixMilli()
		return engine.Change{Collection: dossiers, Values: values}, nil
	}
	v := page.Items[draw.IntN(len(page.Items))]
	c := engine.Change{Collection: dossiers, Record: &v.ID, Seen: v.Version}
	if draw.IntN(12) == 0 {
		c.Delete = true
		return c, nil
	}
	c.Values = values
	return c, nil
}

// Holds looks in the record that was named, and else in all others: where its device has
// written two histories, a save on the one that doesn't keep the log's name is in a record
// of another id, and the id is nobody's, or that of what the other history says.
func (s *engineStore) Holds(proof string) error {
	parts := strings.SplitN(proof, " ", 3)
	id, err := crdt.ParseRecordID(parts[1])
	if err != nil {
		return err
	}
	missing := s.saved(id, parts[2])
	if missing == nil {
		return nil
	}
	others, err := s.records()
	if err != nil {
		return err
	}
	for _, id := range others {
		if s.saved(id, parts[2]) == nil {
			return nil
		}
	}
	return missing
}

// saved says why an officer's save isn't in a record's history.
func (s *engineStore) saved(id crdt.RecordID, officer string) error {
	for cursor := ""; ; {
		h, err := s.History(context.Background(), dossiers, id, cursor, engine.MaxPage)
		if err != nil {
			return err
		}
		for _, saved := range h.Saves {
			if saved.Officer == officer {
				return nil
			}
		}
		if cursor = h.Next; cursor == "" {
			return fmt.Errorf("the save of %s isn't in the record's history of %d", officer, h.Total)
		}
	}
}

// records are all that are here, deleted ones too.
func (s *engineStore) records() (ids []crdt.RecordID, err error) {
	err = s.pages(engine.Query{Collection: dossiers}, func(v *engine.View) { ids = append(ids, v.ID) })
	for cursor := ""; err == nil; {
		var page engine.DeletedPage
		page, err = s.Deleted(context.Background(), dossiers, cursor, engine.MaxPage)
		for _, d := range page.Items {
			ids = append(ids, d.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for cursor := ""; err == nil; {
		var edited []engine.EditedRecord
		edited, cursor, err = s.Edited(context.Background(), cursor, engine.MaxPage)
		for _, d := range edited {
			ids = append(ids, d.Record)
		}
		if cursor == "" {
			break
		}
	}
	return ids, err
}

func (s *engineStore) Image() (any, error) {
	s.made.n++
	dir := filepath.Join(s.made.dir, fmt.Sprint("image ", s.made.n))
	return dir, os.CopyFS(dir, os.DirFS(s.dir))
}

func (s *engineStore) Close() error { return errors.Join(s.Engine.Close(), s.store.Close()) }

func (s *engineStore) State() (crdt.Hash, error) { return s.StateHash() }

// Sound: the store contradicts itself nowhere; each record in which a person has to
// settle something is in the list of these, and no other; the figures are those that
// a computation from the records alone gives.
func (s *engineStore) Sound() error {
	var found error
	err := s.Verify(context.Background(), func(f engine.Finding) {
		found = errors.Join(found, fmt.Errorf("%s at %s", f.Kind, f.Place))
	})
	return errors.Join(err, found, s.inbox(), s.figures())
}

func (s *engineStore) inbox() error {
	reviewed, listed := map[crdt.RecordID]bool{}, map[crdt.RecordID]bool{}
	err := s.pages(engine.Query{Collection: dossiers}, func(v *engine.View) {
		for _, c := range v.Cells {
			reviewed[v.ID] = reviewed[v.ID] || c.Review
		}
	})
	if err != nil {
		return err
	}
	err = s.pages(engine.Query{Collection: dossiers, Conflicted: true}, func(v *engine.View) { listed[v.ID] = true })
	for id, is := range reviewed {
		if is != listed[id] {
			err = errors.Join(err, fmt.Errorf("record %v: to be reviewed %v, in the inbox %v", id, is, listed[id]))
		}
	}
	return err
}

func (s *engineStore) pages(q engine.Query, f func(*engine.View)) error {
	for q.Limit = 100; ; {
		page, err := s.Search(context.Background(), q)
		if err != nil {
			return err
		}
		for _, v := range page.Items {
			f(v)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}

func (s *engineStore) figures() error {
	got, err := s.KPIs(0)
	for err == nil && !got.Ready {
		got, err = s.KPIs(0)
	}
	if err != nil {
		return err
	}
	c, _ := s.made.pack.Collection(dossiers)
	fresh := kpi.New(kpi.Calendar{OffsetMinutes: s.made.pack.OffsetMinutes})
	fresh.Advance(kpi.At(got.AsOfMS))
	err = s.Each(dossiers, func(values map[string]any) error {
		received, resolved, due := c.Fact(values)
		fresh.Apply(nil, &kpi.Fact{Group: "all", Received: instant(received), Resolved: instant(resolved), Due: instant(due)})
		return nil
	})
	if err != nil {
		return err
	}
	want := fresh.Answer("all", got.Month)
	for _, set := range got.Sets {
		for i, v := range set.Figures.Values {
			if set.Collection == dossiers && (want.Values == nil && v != (kpi.Figure{}) || want.Values != nil && v != want.Values[i]) {
				return fmt.Errorf("measure %v is %v; the records say %v", kpi.Measure(i), v, want.Values)
			}
		}
	}
	return nil
}

func instant(ms *int64) kpi.Instant {
	if ms == nil {
		return kpi.Instant{}
	}
	return kpi.At(*ms)
}
