package bundle_test

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

const scope crdt.Scope = "c/03646"

var root = memlog.Key("authority")

// desk is a node that meets others by stick alone.
type desk struct {
	*memlog.Node
	t   testing.TB
	r   *replica.Replica
	b   *bundle.Bundles
	cut func(crdt.LogID) (uint64, bool)

	files   replica.Files
	scopes  []crdt.Scope
	waiting string // what is kept of parts that rest on others

	mu    sync.Mutex
	notes map[string][]byte
}

func (d *desk) Heard(crdt.Device, int64) {}

func (d *desk) Note(peer crdt.Device, name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.notes[peer.String()+name], nil
}

func (d *desk) PutNote(peer crdt.Device, name string, value []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes[peer.String()+name] = value
	return nil
}

func newDesk(t testing.TB, name string, role identity.Role, scopes ...crdt.Scope) *desk {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []crdt.Scope{scope}
	}
	n, err := memlog.New(root, name, role, scopes...)
	must(t, err)
	n.Keys.HPKE = keyOf(t, name)
	n.Claims.Epoch = 1
	n.Keys.Certify(&n.Claims)
	n.Certificate, err = identity.Issue(root, n.Claims)
	must(t, err)
	_, err = n.Directory.Add(n.Certificate)
	must(t, err)
	d := &desk{Node: n, t: t, notes: map[string][]byte{}, scopes: scopes, waiting: filepath.Join(t.TempDir(), "waiting")}
	d.begin()
	return d
}

// begin makes what works for a desk, with the files that it has now.
func (d *desk) begin() {
	d.t.Helper()
	var err error
	d.r, err = replica.New(replica.Config{
		Root: identity.Public(root), Certificate: d.Certificate, Directory: d.Directory, Scopes: d.scopes, Files: d.files,
		Log: d.Node, Ingest: d.Ingest, Sign: d.Node.Sign, Hear: d, Notes: d, Now: time.Now, Rand: rand.NewChaCha8([32]byte{}),
		Cut: func(log crdt.LogID) (uint64, bool) {
			if d.cut == nil {
				return 0, false
			}
			return d.cut(log)
		},
	})
	must(d.t, err)
	d.b, err = bundle.New(bundle.Config{
		Certificate: d.Certificate, Key: d.Keys.HPKE, Sign: d.sign, Directory: d.Directory, Exchange: d.r, Waiting: d.waiting,
	})
	must(d.t, err)
}

func (d *desk) sign(m []byte) []byte { return ed25519.Sign(d.Keys.Seal, m) }

func keyOf(t testing.TB, name string) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(memlog.Key("hpke " + name).Seed())
	must(t, err)
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// know lets desks know each other, as enrolment does.
func know(t *testing.T, all ...*desk) {
	t.Helper()
	for _, a := range all {
		for _, b := range all {
			_, err := a.Directory.Add(b.Certificate)
			must(t, err)
		}
	}
}

func (d *desk) save(n int) {
	d.t.Helper()
	for i := range n {
		_, err := d.Save(scope, crdt.ClassRecords, fmt.Sprint(i))
		must(d.t, err)
	}
}

func (d *desk) seal() {
	_, err := d.Heads(scope)
	must(d.t, err)
}

func stick(t testing.TB, dir string) *bundle.Stick {
	t.Helper()
	s, err := bundle.OpenStick(dir)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func (d *desk) export(s *bundle.Stick, o bundle.Order, to ...*desk) bundle.Exported {
	d.t.Helper()
	out, err := d.try(s, o, to...)
	must(d.t, err)
	return out
}

func (d *desk) try(s *bundle.Stick, o bundle.Order, to ...*desk) (bundle.Exported, error) {
	for _, r := range to {
		o.To = append(o.To, r.Claims.Device)
	}
	return d.b.Export(context.Background(), s, o)
}

func (d *desk) imports(s *bundle.Stick) bundle.Imported {
	d.t.Helper()
	out, err := d.b.Import(context.Background(), s)
	must(d.t, err)
	return out
}

func (d *desk) swap(s *bundle.Stick, to ...*desk) bundle.Both {
	d.t.Helper()
	var devices []crdt.Device
	for _, r := range to {
		devices = append(devices, r.Claims.Device)
	}
	out, err := d.b.Swap(context.Background(), s, devices, false)
	must(d.t, err)
	for _, err := range out.Failed {
		d.t.Fatal(err)
	}
	return out
}

func (d *desk) carried(to *desk) uint64 {
	d.t.Helper()
	n, err := d.r.Carried(to.Claims.Device)
	must(d.t, err)
	return n
}

func (d *desk) entries() (n uint64) {
	d.t.Helper()
	heads, err := d.Heads(scope)
	must(d.t, err)
	for _, h := range heads {
		n += h.Seq
	}
	return n
}

func states(files []bundle.File) (all []bundle.State) {
	for _, f := range files {
		all = append(all, f.State)
	}
	slices.Sort(all)
	return all
}

func list(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A stick goes to the province and comes back, each side presses its button once.
func TestThereAndBack(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	dir := t.TempDir()
	s := stick(t, dir)
	office.save(300)
	if out := office.swap(s, province); out.Exported[province.Claims.Device].Entries != 300 || office.carried(province) != 300 {
		t.Fatalf("%+v; %d carried", out, office.carried(province))
	}
	if files, err := office.b.Inspect(s); err != nil || len(files) != 1 || files[0].State != bundle.Ours || files[0].To[0] != province.Claims.Device {
		t.Fatalf("at home the stick shows %+v, %v", files, err)
	}
	if files, err := province.b.Inspect(s); err != nil || len(files) != 1 || files[0].State != bundle.Ready || files[0].Entries != 300 || files[0].By != office.Claims.Device {
		t.Fatalf("at the province it shows %+v, %v", files, err)
	}
	for i := range 2 { // twice does no harm
		out := province.swap(s)
		if want := []int{300, 0}[i]; out.Entries != want {
			t.Fatalf("time %d: %d entries", i, out.Entries)
		}
	}
	out := office.swap(s, province)
	if out.Receipts != 1 || office.carried(province) != 0 || !slices.Contains(states(out.Files), bundle.Arrived) {
		t.Fatalf("%+v; %d carried", out, office.carried(province))
	}
	if n := province.entries(); n != 300 {
		t.Errorf("%d entries at the province", n)
	}
	for _, name := range list(t, dir) {
		if len(name) != 12 || filepath.Ext(name) != ".VXB" {
			t.Errorf("a file named %s", name)
		}
	}
}

// A long bundle on several small sticks, read in any order: what rests on something
// that hasn't come waits, and nothing has to be brought twice.
func TestSeveralSticks(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	office.SegmentEntries = 20
	for range 15 {
		office.save(20)
		office.seal()
	}
	first := stick(t, t.TempDir())
	if out := office.export(first, bundle.Order{Part: 1700}, province); len(out.Files) < 3 {
		t.Fatalf("%+v", out)
	}
	// Deal the parts out to sticks of their own.
	found, err := first.List()
	must(t, err)
	type dealt struct {
		s    *bundle.Stick
		part uint64
	}
	var all []dealt
	files, err := province.b.Inspect(first)
	must(t, err)
	for i, f := range found {
		raw, err := first.Read(f.Name)
		must(t, err)
		s := stick(t, t.TempDir())
		must(t, s.Write(f.Name, raw))
		all = append(all, dealt{s, files[i].Part})
	}
	slices.SortFunc(all, func(a, b dealt) int { return int(b.part) - int(a.part) }) // the last comes first
	for i, d := range all {
		out := province.imports(d.s)
		last := i == len(all)-1
		if want := []bundle.State{bundle.Waiting, bundle.Taken}[oneIf(last)]; out.Files[0].State != want {
			t.Fatalf("stick %d: %+v", i, out.Files)
		}
		if !last && out.Entries > 0 || last && out.Entries != 300 {
			t.Fatalf("stick %d: %d entries", i, out.Entries)
		}
	}
	s := stick(t, t.TempDir())
	province.swap(s, office)
	office.imports(s)
	if office.carried(province) != 0 {
		t.Errorf("%d carried", office.carried(province))
	}
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// What has no room on one stick goes on with the next.
func TestGoesOn(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	office.save(10)
	a, b := stick(t, t.TempDir()), stick(t, t.TempDir())
	office.export(a, bundle.Order{}, province)
	office.save(5)
	if out := office.export(b, bundle.Order{After: true}, province); out.Entries != 5 || office.carried(province) != 15 {
		t.Fatalf("%+v; %d carried", out, office.carried(province))
	}
	if out := province.imports(b); out.Files[0].State != bundle.Waiting {
		t.Fatalf("%+v", out)
	}
	if out := province.imports(a); out.Entries != 15 {
		t.Fatalf("%+v", out)
	}
}

// One file for several readers, and nothing in it that one of them may not read.
func TestSeveralReaders(t *testing.T) {
	const other crdt.Scope = "c/03647"
	office := newDesk(t, "laptop", identity.RoleLaptop, scope, other)
	a, b := newDesk(t, "a", identity.RoleHub, scope, other), newDesk(t, "b", identity.RoleBox)
	stranger := newDesk(t, "c", identity.RoleBox)
	know(t, office, a, b, stranger)
	office.save(3)
	_, err := office.Save(other, crdt.ClassRecords, "not for b")
	must(t, err)
	s := stick(t, t.TempDir())
	if out := office.export(s, bundle.Order{}, b, a); out.Entries != 3 || len(out.Files) != 1 {
		t.Fatalf("%+v", out)
	}
	for _, d := range []*desk{a, b} {
		if out := d.imports(s); out.Entries != 3 || out.Files[0].Readers != 2 {
			t.Errorf("%s: %+v", d.Claims.Name, out)
		}
	}
	if out := stranger.imports(s); out.Entries != 0 || out.Files[0].State != bundle.Foreign {
		t.Errorf("someone else: %+v", out)
	}
}

// A revoked device's entries above its cut are not taken, the others are; and the
// writer is told.
func TestRevoked(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	office.SegmentEntries = 5
	office.save(5)
	office.seal()
	office.save(5)
	province.cut = func(log crdt.LogID) (uint64, bool) { return 5, log.Device == office.Claims.Device }
	s := stick(t, t.TempDir())
	office.swap(s, province)
	out := province.swap(s)
	if out.Entries != 5 || len(out.Files[0].Took.Answer.Refused) == 0 || out.Files[0].Took.Answer.Refused[0].Refusal.Code != reconcile.Ended {
		t.Fatalf("%+v", out)
	}
	province.save(1)
	if out := province.export(s, bundle.Order{}, office); out.Entries != 0 {
		t.Errorf("a revoked device is given %d entries", out.Entries)
	}
	if in := office.imports(s); in.Entries != 0 {
		t.Errorf("a revoked device got %d entries", in.Entries)
	}
	b, err := office.Note(province.Claims.Device, "memory")
	must(t, err)
	m, err := reconcile.DecodeMemory(b)
	must(t, err)
	for _, h := range m.Held {
		if h.Code == reconcile.Ended && h.UpTo == 5 {
			return
		}
	}
	t.Errorf("the writer remembers %+v", m.Held)
}

// Nobody writes for a device that was certified before there were bundles.
func TestNoKey(t *testing.T) {
	office := newDesk(t, "laptop", identity.RoleLaptop)
	old, err := memlog.New(root, "old", identity.RoleBox, scope)
	must(t, err)
	_, err = office.Directory.Add(old.Certificate)
	must(t, err)
	_, err = office.b.Export(context.Background(), stick(t, t.TempDir()), bundle.Order{To: []crdt.Device{old.Claims.Device}})
	if !errors.Is(err, bundle.ErrNoKey) {
		t.Error(err)
	}
}

// The parts of one bundle have one counter, so that none of them is older than another.
func TestPartsOfOneCountAsOne(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	office.SegmentEntries = 20
	for range 15 {
		office.save(20)
		office.seal()
	}
	s := stick(t, t.TempDir())
	office.export(s, bundle.Order{Part: 1700}, province)
	files, err := province.b.Inspect(s)
	must(t, err)
	if len(files) < 3 {
		t.Fatalf("%d parts; want several", len(files))
	}
	for _, f := range files {
		if f.Counter != files[0].Counter {
			t.Errorf("part %d has the counter %d; want %d as the others", f.Part, f.Counter, files[0].Counter)
		}
	}
}

// An answer holds no entries. It stays on the stick until its reader has had it, also
// when the stick is read once more before it leaves.
func TestAReceiptStaysUntilItArrives(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	s := stick(t, t.TempDir())
	office.save(30)
	office.swap(s, province)
	province.swap(s) // writes the receipt
	_, err := province.b.Import(t.Context(), s)
	must(t, err)
	out := office.swap(s, province)
	if carried := office.carried(province); out.Receipts != 1 || carried != 0 {
		t.Errorf("%d receipts came back, and %d entries are still carried; want 1 and 0", out.Receipts, carried)
	}
}
