//go:build unix

package bundle_test

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// one is a bundle from a laptop to a hub, with its bytes.
func one(t *testing.T) (office, province *desk, name string, raw []byte) {
	t.Helper()
	office, province = newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	office.save(3)
	s := stick(t, t.TempDir())
	name = office.export(s, bundle.Order{}, province).Files[0]
	raw, err := s.Read(name)
	must(t, err)
	return office, province, name, raw
}

func (d *desk) seal1(c *bundle.Content, readers ...*desk) []byte {
	d.t.Helper()
	var keys []*ecdh.PublicKey
	for _, r := range readers {
		keys = append(keys, r.Claims.HPKEKey)
	}
	b, err := bundle.Seal(c, keys, d.sign)
	must(d.t, err)
	return b
}

func (d *desk) open(raw []byte) (*bundle.Content, error) {
	s, err := bundle.Parse(raw)
	if err != nil {
		return nil, err
	}
	return s.Open(d.Keys.HPKE, d.Directory)
}

// A stick that was pulled at any byte, and one with a bit wrong, bring nothing and
// harm nothing; brought again, all is there.
func TestEveryByte(t *testing.T) {
	_, province, name, raw := one(t)
	for n := range raw {
		if c, err := province.open(raw[:n]); c != nil || err == nil {
			t.Fatalf("cut at %d: opened", n)
		}
		if n > 2*bundle.HeadSize && n < len(raw)-16 && n%16 != 0 {
			continue // one tag is over all of it
		}
		bad := bytes.Clone(raw)
		bad[n] ^= 1 << (n % 8)
		if c, err := province.open(bad); c != nil || err == nil {
			t.Fatalf("bit of byte %d: opened", n)
		}
	}
	dir := t.TempDir()
	s := stick(t, dir)
	partial := name[:8] + ".TMP"
	for _, n := range []int{0, 1, 8, 9, 100, len(raw) - 1} {
		must(t, os.WriteFile(filepath.Join(dir, name), raw[:n], 0o600))
		must(t, os.WriteFile(filepath.Join(dir, partial), raw[:n], 0o600))
		out := province.imports(s)
		if out.Entries != 0 || !slices.Equal(states(out.Files), []bundle.State{bundle.Partial, bundle.Short}) {
			t.Fatalf("cut at %d: %+v", n, out.Files)
		}
	}
	must(t, s.Write(name, raw)) // takes the place of both
	if out := province.imports(s); out.Entries != 3 || len(out.Files) != 1 {
		t.Fatalf("whole: %+v", out)
	}
}

// What is on a stick but no bundle's file is not opened, followed or read to its end.
func TestHostileStick(t *testing.T) {
	_, province, name, raw := one(t)
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, raw, 0o600))
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	must(t, os.Symlink(outside, at("VXAAAAAA.VXB")))
	must(t, os.Symlink("/dev/zero", at("VXBBBBBB.VXB")))
	must(t, os.Mkdir(at("VXCCCCCC.VXB"), 0o700))
	must(t, os.Mkdir(at("VX"), 0o700))
	must(t, os.WriteFile(at("VX/"+name), raw, 0o600))
	must(t, syscall.Mkfifo(at("VXDDDDDD.VXB"), 0o600))
	must(t, os.WriteFile(at("VXEEEEEE.VXB"), bytes.Repeat([]byte("VXB\x01"), 1000), 0o600))
	must(t, os.WriteFile(at("VXFFFFFF.VXB"), nil, 0o600))
	must(t, os.Truncate(at("VXFFFFFF.VXB"), 1<<40))       // huge, and sparse
	must(t, os.WriteFile(at("HOSO (1).XLS"), raw, 0o600)) // somebody's computer named it so
	must(t, os.WriteFile(at("HOSO.XLS"), []byte("VXA, and no bundle"), 0o600))
	must(t, os.WriteFile(at("VXB"), []byte("VX"), 0o600))
	must(t, os.Symlink(outside, at("LINK")))
	must(t, syscall.Mkfifo(at("PIPE"), 0o600))
	must(t, os.WriteFile(at("vxgggggg.vxb"), raw, 0o600)) // FAT may say it so
	s := stick(t, dir)
	out := province.imports(s)
	got := map[string]bundle.State{}
	for _, f := range out.Files {
		got[f.Name] = f.State
	}
	if !slices.IsSortedFunc(out.Files, func(a, b bundle.File) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("in no order: %+v", out.Files)
	}
	want := map[string]bundle.State{
		"VXAAAAAA.VXB": bundle.Irregular, "VXBBBBBB.VXB": bundle.Irregular, "VXCCCCCC.VXB": bundle.Irregular, "VXDDDDDD.VXB": bundle.Irregular,
		"VXEEEEEE.VXB": bundle.Unknown, "VXFFFFFF.VXB": bundle.Unknown, "vxgggggg.vxb": bundle.Taken,
		"HOSO (1).XLS": bundle.Taken,
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for n, state := range want {
		if got[n] != state {
			t.Errorf("%s is %q; want %q", n, got[n], state)
		}
	}
	// A link of the name that is written is replaced, and what it points to stays.
	must(t, os.Symlink(outside, at("VXHHHHHH.VXB")))
	must(t, os.Symlink(outside, at("VXHHHHHH.TMP")))
	must(t, s.Write("VXHHHHHH.VXB", []byte("new")))
	if b, err := os.ReadFile(outside); err != nil || !bytes.Equal(b, raw) {
		t.Errorf("what a link points to was written over: %v", err)
	}
	if info, err := os.Lstat(at("VXHHHHHH.VXB")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}

// Nobody adds a reader: neither who carries it, nor one of the readers, who has the key.
func TestSurplusReader(t *testing.T) {
	office, province, _, _ := one(t)
	second, thief := newDesk(t, "second", identity.RoleHub), newDesk(t, "thief", identity.RoleBox)
	know(t, office, province, second, thief)
	c := &bundle.Content{By: office.Claims.Device, Scopes: []crdt.Scope{scope}, Messages: [][]byte{}}
	raw := office.seal1(c, province, second)
	for _, d := range []*desk{province, second} {
		if _, err := d.open(raw); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := thief.open(raw); !errors.Is(err, bundle.ErrForeign) {
		t.Error(err)
	}
	// By who carries it: a place for the thief, made for another bundle.
	place := office.seal1(c, second, thief)[bundle.HeadSize : bundle.HeadSize+bundle.MoreSize]
	bad := slices.Insert(bytes.Clone(raw), bundle.HeadSize+bundle.MoreSize, place...)
	bad[4]++
	if _, err := second.open(bad); !errors.Is(err, bundle.ErrAltered) {
		t.Errorf("a place more: %v", err)
	}
	if _, err := province.open(bad); !errors.Is(err, bundle.ErrForeign) { // the first can't tell it from damage
		t.Errorf("a place more: %v", err)
	}
	// By a reader, who can seal the same content and signature anew.
	stolen, err := bundle.Resealed(raw, second.Keys.HPKE, []*ecdh.PublicKey{province.Claims.HPKEKey, thief.Claims.HPKEKey})
	must(t, err)
	for _, d := range []*desk{province, thief} {
		if _, err := d.open(stolen); !errors.Is(err, bundle.ErrAltered) {
			t.Errorf("sealed anew by a reader, %s: %v", d.Claims.Name, err)
		}
	}
}

// What a certified device signs that it may not say.
func TestWrongContent(t *testing.T) {
	office, province, _, _ := one(t)
	other := newDesk(t, "other", identity.RoleLaptop, "c/09999")
	know(t, office, province, other)
	stranger := newDesk(t, "stranger", identity.RoleLaptop)
	dir := t.TempDir()
	s := stick(t, dir)
	put := func(b []byte) bundle.File {
		t.Helper()
		must(t, s.Write("VXAAAAAA.VXB", b))
		out := province.imports(s)
		if out.Entries != 0 {
			t.Fatalf("%+v", out)
		}
		return out.Files[0]
	}
	if f := put(other.seal1(&bundle.Content{By: other.Claims.Device, Scopes: []crdt.Scope{scope}}, province)); f.State != bundle.Refused || f.Refusal.Code != reconcile.Scope {
		t.Errorf("of a scope that its writer isn't certified for: %+v", f)
	}
	if f := put(office.seal1(&bundle.Content{By: office.Claims.Device, Scopes: []crdt.Scope{"c/00001"}}, province)); f.State != bundle.Refused {
		t.Errorf("of a scope that isn't shared: %+v", f)
	}
	if f := put(stranger.seal1(&bundle.Content{By: stranger.Claims.Device, Scopes: []crdt.Scope{scope}}, province)); f.State != bundle.Stranger {
		t.Errorf("by a device that nobody here knows: %+v", f)
	}
	if f := put(other.seal1(&bundle.Content{By: office.Claims.Device, Scopes: []crdt.Scope{scope}}, province)); f.State != bundle.Altered {
		t.Errorf("signed by another device: %+v", f)
	}
	for name, m := range map[string][]byte{
		"hello": {0x81, 0}, "noise": {0xff, 0xff, 0xff}, "refuse": {0x81, 5}, "empty": {}, "giant count": append([]byte{0x82, 0x10, 0x5b}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
	} {
		if f := put(office.seal1(&bundle.Content{By: office.Claims.Device, Scopes: []crdt.Scope{scope}, Messages: [][]byte{m}}, province)); f.State != bundle.Refused {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// An old stick that comes back changes nothing: no receipt goes back, nothing is asked
// for again.
func TestReplay(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	dir := t.TempDir()
	s := stick(t, dir)
	office.save(5)
	office.swap(s, province)
	province.swap(s)
	old := map[string][]byte{}
	for _, n := range list(t, dir) {
		b, err := s.Read(n)
		must(t, err)
		old[n] = b
	}
	office.swap(s, province)
	for range 3 {
		office.save(1)
		office.swap(s, province)
		province.swap(s)
		office.swap(s, province)
	}
	before, err := office.Note(province.Claims.Device, "memory")
	must(t, err)
	again := stick(t, t.TempDir())
	for n, b := range old {
		must(t, again.Write(n, b))
	}
	office.imports(again)
	province.imports(again)
	after, err := office.Note(province.Claims.Device, "memory")
	must(t, err)
	if !bytes.Equal(before, after) || office.carried(province) != 0 {
		t.Errorf("an old stick changed what is remembered; %d carried", office.carried(province))
	}
}

// What a bundle takes beyond the messages that a line would carry.
func TestSize(t *testing.T) {
	office, province, _, _ := one(t)
	second, third := newDesk(t, "second", identity.RoleHub), newDesk(t, "third", identity.RoleHub)
	s := stick(t, t.TempDir())
	office.swap(s, province)
	province.swap(s)
	office.swap(s, province) // both know each other from now on
	office.save(1)
	out := office.export(s, bundle.Order{}, province)
	raw, err := s.Read(out.Files[0])
	must(t, err)
	c, err := province.open(raw)
	must(t, err)
	online := 23 // the resume of a session that both remember; PROTOCOL.md
	for _, m := range c.Messages {
		if m[1] != 4 { // the last word answers the peer's, of which there is none here
			online += len(m)
		}
	}
	t.Logf("one save: %d bytes on a stick, %d of a session's frames: %d more", len(raw), online, len(raw)-online)
	if extra := len(raw) - online; extra > 200 {
		t.Errorf("%d bytes more than online; at most 200", extra)
	}
	for i, readers := range [][]*desk{{province}, {province, second}, {province, second, third}} {
		if n := len(office.seal1(c, readers...)); n > len(raw)+80*i+len(c.Certificate)+2 || len(office.seal1(c, readers...))-len(office.seal1(c, province)) != 80*i {
			t.Errorf("for %d readers %d bytes", i+1, n)
		}
	}
}
