package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func secret(t *testing.T, kind Kind) Secret {
	t.Helper()
	switch kind {
	case Password:
		return must(PasswordSecret("mật khẩu của kho"))
	case Beside:
		return BesideSecret()
	}
	return must(KeySecret(kind, must(NewKeyText(rand.Reader))))
}

// Every kind of slot opens the store, alone, and nothing else of its kind does.
func TestEveryKind(t *testing.T) {
	for _, kind := range []Kind{Password, KeyFile, Environment, Beside} {
		t.Run(kind.String(), func(t *testing.T) {
			dir, s := t.TempDir(), secret(t, kind)
			r, err := Create(dir, s, "đầu tiên", rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Open(dir, rand.Reader, s)
			if err != nil || again.Keys() != r.Keys() || r.Keys().Check() != nil {
				t.Fatalf("opened again: %v", err)
			}
			if p := must(Read(dir)); p.Class != Class(kind.String()) || p.Damaged || p.StoreID != r.Keys().StoreID || len(p.Slots) != 1 {
				t.Errorf("protection %+v", p)
			}
			if kind == Beside {
				return
			}
			others := []Secret{must(PasswordSecret("mật khẩu khác")), secret(t, KeyFile), secret(t, Environment)}
			if _, err := Open(dir, rand.Reader, others...); node.CodeOf(err) != node.Unauthenticated {
				t.Errorf("opened by others: %v", err)
			}
			if _, err := Open(dir, rand.Reader); node.CodeOf(err) != node.Unauthenticated {
				t.Errorf("opened by nothing: %v", err)
			}
		})
	}
}

// The same key under another kind is another secret.
func TestKindsAreApart(t *testing.T) {
	dir, text := t.TempDir(), must(NewKeyText(rand.Reader))
	must(Create(dir, must(KeySecret(KeyFile, text)), "", rand.Reader))
	if _, err := Open(dir, rand.Reader, must(KeySecret(Environment, text))); node.CodeOf(err) != node.Unauthenticated {
		t.Errorf("a key file's slot opened from the environment: %v", err)
	}
}

func TestPasswordsAreNFC(t *testing.T) {
	dir := t.TempDir()
	must(Create(dir, must(PasswordSecret("m\u1ead t kh\u1ea9u")), "", rand.Reader))
	if _, err := Open(dir, rand.Reader, must(PasswordSecret("ma\u0323\u0302 t kha\u0302\u0309u"))); err != nil {
		t.Errorf("typed by another input method: %v", err)
	}
	for _, bad := range []string{"ngắn", strings.Repeat("x", MaxPassword+1), "xin ch\xffo nhé"} {
		if _, err := PasswordSecret(bad); node.CodeOf(err) != node.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A password that is given to open is right or wrong; how long a new one must be is no
// matter of it.
func TestATooShortPasswordIsAWrongOne(t *testing.T) {
	dir := t.TempDir()
	must(Create(dir, secret(t, Password), "", rand.Reader))
	for _, typed := range []string{"", "ngắn", strings.Repeat("x", MaxPassword+1), "xin ch\xffo nhé"} {
		if _, err := Open(dir, rand.Reader, TypedPassword(typed)); node.CodeOf(err) != node.Unauthenticated || !strings.Contains(node.Reason(err).VI, "không đúng") {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

// Where one copy was lost and made again nothing is damaged any more.
func TestAHealedFileIsNotCalledDamaged(t *testing.T) {
	dir := t.TempDir()
	must(Create(dir, BesideSecret(), "", rand.Reader))
	if err := os.Remove(filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
	if p := must(Open(dir, rand.Reader)).Protection(); p.Damaged {
		t.Errorf("%+v", p)
	}
}

func TestKeyText(t *testing.T) {
	text := must(NewKeyText(rand.Reader))
	if _, err := KeySecret(KeyFile, "\n "+text+"\r\n"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "vungxa-key-1 ", text + "00", text[:len(text)-2], strings.Replace(text, "1", "2", 1), strings.TrimPrefix(text, keyPrefix)} {
		if _, err := KeySecret(KeyFile, bad); node.CodeOf(err) != node.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if s := must(KeySecret(KeyFile, text)); strings.Contains(fmt.Sprintf("%v %+v %#v %s", s, s, s, s), text[len(keyPrefix):][:8]) {
		t.Error("a secret is printed")
	}
}

// Slots come and go; the data key stays, and never the last slot goes.
func TestSlots(t *testing.T) {
	dir := t.TempDir()
	file, env, pass := secret(t, KeyFile), secret(t, Environment), secret(t, Password)
	r := must(Create(dir, BesideSecret(), "", rand.Reader))
	keys := r.Keys()
	for i, s := range []Secret{file, env, pass} {
		if n, err := r.Add(s, s.Kind.String()); n != i+2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if p := r.Protection(); p.Class != ClassNone || len(p.Slots) != 4 {
		t.Errorf("with a key beside the disk: %+v", p)
	}
	for i, want := range []Class{ClassEnvironment, ClassKeyFile, ClassPassword} {
		n := []int{1, 3, 2}[i]
		if err := r.Remove(n); err != nil {
			t.Fatal(err)
		}
		if got := must(Read(dir)).Class; got != want {
			t.Errorf("without slot %d the class is %s; want %s", n, got, want)
		}
	}
	if err := r.Remove(4); node.CodeOf(err) != node.Conflict {
		t.Errorf("the last slot was removed: %v", err)
	}
	if err := r.Remove(1); node.CodeOf(err) != node.NotFound {
		t.Errorf("a slot that isn't there was removed: %v", err)
	}
	for _, s := range []Secret{file, env} {
		if _, err := Open(dir, rand.Reader, s); node.CodeOf(err) != node.Unauthenticated {
			t.Errorf("%v still opens: %v", s, err)
		}
	}
	if got := must(Open(dir, rand.Reader, pass)).Keys(); got != keys {
		t.Error("another data key")
	}
	if n := must(r.SlotOf(pass)); n != 4 {
		t.Errorf("the password opens slot %d; want 4", n)
	}
	changed := must(PasswordSecret("mật khẩu mới hẳn"))
	if err := r.Replace(4, changed); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, rand.Reader, pass); node.CodeOf(err) != node.Unauthenticated {
		t.Errorf("the old password still opens: %v", err)
	}
	if got := must(Open(dir, rand.Reader, changed)).Keys(); got != keys {
		t.Error("another data key")
	}
}

func TestSlotsAreLimited(t *testing.T) {
	r := must(Create(t.TempDir(), BesideSecret(), "", rand.Reader))
	for range SlotsMax - 1 {
		must(r.Add(secret(t, KeyFile), strings.Repeat("n", LabelMax)))
	}
	if _, err := r.Add(secret(t, KeyFile), ""); node.CodeOf(err) != node.Conflict {
		t.Errorf("one too many: %v", err)
	}
	if _, err := r.Add(secret(t, KeyFile), strings.Repeat("n", LabelMax+1)); err == nil {
		t.Error("a label without end")
	}
}

// A key file is never replaced by a new one: that would take all data with it.
func TestCreateOnce(t *testing.T) {
	for _, left := range []string{FileName, CopyName} {
		dir := t.TempDir()
		r := must(Create(dir, BesideSecret(), "", rand.Reader))
		for _, name := range []string{FileName, CopyName} {
			if name != left {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := Create(dir, BesideSecret(), "", rand.Reader); node.CodeOf(err) != node.Conflict {
			t.Errorf("with %s alone: %v", left, err)
		}
		if got, err := Open(dir, rand.Reader); err != nil || got.Keys() != r.Keys() {
			t.Errorf("with %s alone: %v", left, err)
		}
		if p := must(Read(dir)); p.Damaged {
			t.Errorf("the other copy was not made again: %+v", p)
		}
	}
	if _, err := Open(t.TempDir(), rand.Reader); node.CodeOf(err) != node.NotFound {
		t.Errorf("no file: %v", err)
	}
}

func TestChangedByAnother(t *testing.T) {
	dir := t.TempDir()
	r := must(Create(dir, BesideSecret(), "", rand.Reader))
	must(must(Open(dir, rand.Reader)).Add(secret(t, KeyFile), ""))
	if _, err := r.Add(secret(t, KeyFile), ""); node.CodeOf(err) != node.Conflict {
		t.Errorf("a change went over another: %v", err)
	}
	if p := must(Read(dir)); len(p.Slots) != 2 {
		t.Errorf("%+v", p)
	}
}

// A bit flipped in any byte of one copy changes nothing; in both copies it costs
// the slot that it hits and no other.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	secrets := []Secret{secret(t, KeyFile), secret(t, Environment)}
	r := must(Create(dir, secrets[0], "", rand.Reader))
	must(r.Add(secrets[1], "hai"))
	good := must(os.ReadFile(filepath.Join(dir, FileName)))
	put := func(main, second []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(filepath.Join(dir, FileName), main, 0o600), os.WriteFile(filepath.Join(dir, CopyName), second, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		put(bad, good)
		if i%2 == 0 {
			put(good, bad)
		}
		f := must(readFile(dir))
		if keys, err := f.open(secrets[i/blockSize:][:1]); err != nil || keys[1] != r.Keys() || f.sound {
			t.Fatalf("byte %d of one copy: sound %v, %v", i, f.sound, err)
		}
		if i%50 == 0 { // each costs some fsyncs
			must(Open(dir, rand.Reader, secrets[i/blockSize]))
			if p := must(Read(dir)); p.Damaged {
				t.Fatalf("byte %d of one copy: not healed", i)
			}
		}
		put(bad, bad)
		if _, err := Open(dir, rand.Reader, secrets[i/blockSize]); err == nil {
			t.Fatalf("byte %d of both copies: the slot opens", i)
		}
		got, err := Open(dir, rand.Reader, secrets[1-i/blockSize])
		if err != nil || got.Keys() != r.Keys() {
			t.Fatalf("byte %d of both copies: the other slot: %v", i, err)
		}
		if p := must(Read(dir)); !p.Damaged || len(p.Slots) != 2 || !p.Slots[i/blockSize].Damaged {
			t.Fatalf("byte %d of both copies: %+v", i, p)
		}
	}
}

// Someone who mends the check after the flip gains no key: the slot stays shut, or
// what was flipped decides nothing about the key.
func TestFlippedBitsMended(t *testing.T) {
	dir := t.TempDir()
	s := secret(t, KeyFile)
	r := must(Create(dir, s, "một", rand.Reader))
	good := must(os.ReadFile(filepath.Join(dir, FileName)))
	opened := 0
	for i := range blockSize - checkSize {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			copy(bad[blockSize-checkSize:], check(bad[:blockSize-checkSize]))
			f := merge(decodeAll(bad))
			if f == nil {
				continue
			}
			keys, err := f.open([]Secret{s})
			if err != nil {
				continue
			}
			opened++
			if keys[1] != r.Keys() {
				t.Fatalf("byte %d bit %d: another key", i, bit)
			}
		}
	}
	// Revision and set of slots aren't under the key: 1 byte and 1 bit of it.
	if opened > 8+16 {
		t.Errorf("%d flips of what is authenticated went unnoticed", opened)
	}
}

// A damaged slot opens nothing and is forgotten by the next change; the last that
// works can't be removed.
func TestDamagedSlotIsForgotten(t *testing.T) {
	for name, change := range map[string]func(*Ring) error{
		"remove": func(r *Ring) error { return r.Remove(2) },
		"add":    func(r *Ring) error { _, err := r.Add(secret(t, Environment), ""); return err },
	} {
		dir := t.TempDir()
		r := must(Create(dir, BesideSecret(), "", rand.Reader))
		must(r.Add(secret(t, KeyFile), ""))
		for _, name := range []string{FileName, CopyName} {
			b := must(os.ReadFile(filepath.Join(dir, name)))
			b[blockSize+100] ^= 1
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r = must(Open(dir, rand.Reader))
		if err := r.Remove(1); node.CodeOf(err) != node.Conflict {
			t.Errorf("the last readable slot was removed: %v", err)
		}
		if err := change(r); err != nil {
			t.Fatal(err)
		}
		if p := must(Read(dir)); p.Damaged || len(p.Slots) == 0 || p.Slots[0].Number != 1 || len(p.Slots) > 1 && p.Slots[1].Number != 3 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestBothCopiesDestroyed(t *testing.T) {
	for name, b := range map[string][]byte{"empty": {}, "zero": make([]byte, 2*blockSize), "noise": bytes.Repeat([]byte("VXK1"), 300), "huge": make([]byte, 1<<20)} {
		dir := t.TempDir()
		for _, f := range []string{FileName, CopyName} {
			if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(dir, rand.Reader); node.CodeOf(err) != node.Damaged {
			t.Errorf("%s: %v", name, err)
		}
		if p, err := Read(dir); err == nil || p.Class != ClassUnknown {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// A file may be hostile: what it asks of argon2 is bounded before it is done.
func TestParametersAreBounded(t *testing.T) {
	dir := t.TempDir()
	must(Create(dir, secret(t, Password), "", rand.Reader))
	b := must(decode(must(os.ReadFile(filepath.Join(dir, FileName)))))
	for name, p := range map[string]params{
		"64 GiB": {MemoryKiB: 64 << 20, Passes: 3, Lanes: 1}, "4 TiB": {MemoryKiB: 1<<32 - 1, Passes: 1, Lanes: 1},
		"a year": {MemoryKiB: memoryKiB, Passes: 1<<32 - 1, Lanes: 1}, "lanes": {MemoryKiB: memoryKiB, Passes: 3, Lanes: 255},
		"no lanes": {MemoryKiB: memoryKiB, Passes: 3}, "no passes": {MemoryKiB: memoryKiB, Lanes: 1}, "no memory": {Passes: 3, Lanes: 1},
		"a key": {MemoryKiB: memoryKiB, Passes: 3, Lanes: 1, Key: make([]byte, KeySize)},
	} {
		hostile := *b
		hostile.Params = p
		if _, err := decode(must(hostile.encode())); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// One unlock takes argon2's 64 MiB and little more, however many slots are tried,
// and gives them back.
func TestMemoryOfAnUnlock(t *testing.T) {
	if testing.Short() {
		t.Skip("three argon2 runs")
	}
	dir := t.TempDir()
	r := must(Create(dir, must(PasswordSecret("mật khẩu một")), "", rand.Reader))
	must(r.Add(must(PasswordSecret("mật khẩu hai")), ""))
	before := held()
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		peak := before
		for {
			select {
			case <-stop:
				most <- peak
				return
			default:
				peak = max(peak, held())
				runtime.Gosched()
			}
		}
	}()
	must(Open(dir, rand.Reader, must(PasswordSecret("mật khẩu hai"))))
	close(stop)
	peak, after := <-most, held()
	t.Logf("%d MiB held before, %d MiB after, %d MiB at most", before>>20, after>>20, peak>>20)
	if peak > before+(64+16)<<20 {
		t.Errorf("unlocking took %d MiB at a time; argon2 takes 64", (peak-before)>>20)
	}
	if after > before+16<<20 {
		t.Errorf("an unlock keeps %d MiB", (after-before)>>20)
	}
}

// held is what the program has of the machine's memory, as far as Go knows.
func held() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys - m.HeapReleased
}

// A slot of a kind that a later program adds is kept, shown and passed over.
func TestUnknownKind(t *testing.T) {
	dir := t.TempDir()
	r := must(Create(dir, BesideSecret(), "", rand.Reader))
	err := r.change(func(slots []*block) ([]*block, error) {
		b := *slots[0]
		b.Slot, b.Kind, b.Params.Key = 2, 77, make([]byte, blobMax)
		return append(slots, &b), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r = must(Open(dir, rand.Reader))
	if err := r.Remove(1); node.CodeOf(err) != node.Conflict {
		t.Errorf("the last slot that this program opens was removed: %v", err)
	}
	must(r.Add(secret(t, KeyFile), ""))
	if p := must(Read(dir)); len(p.Slots) != 3 || p.Slots[1].Kind != "unknown-77" {
		t.Errorf("%+v", p)
	}
}

// FuzzDecode holds that no bytes make the reader fail otherwise than by refusing.
func FuzzDecode(f *testing.F) {
	dir := f.TempDir()
	must(Create(dir, BesideSecret(), "", rand.Reader))
	good := must(os.ReadFile(filepath.Join(dir, FileName)))
	n := binary.BigEndian.Uint16(good[len(magic):])
	f.Add(good[headSize : headSize+int(n)])
	f.Fuzz(func(t *testing.T, item []byte) {
		if len(item) > itemMax {
			return
		}
		raw := binary.BigEndian.AppendUint16([]byte(magic), uint16(len(item)))
		raw = append(append(raw, item...), make([]byte, itemMax-len(item))...)
		raw = append(raw, check(raw)...)
		b, err := decode(raw)
		if err != nil {
			return
		}
		if again := must(b.encode()); !bytes.Equal(again, raw) {
			t.Errorf("%x is encoded again as %x", raw, again)
		}
		if b.Kind != Password { // 256 MiB an input would measure argon2
			_, _ = b.open(Secret{Kind: b.Kind})
		}
	})
}

// The item of a slot fits a block at its largest.
func TestLargestSlotFits(t *testing.T) {
	b := block{Format: format, Revision: revisionMax, Slots: 1<<16 - 1, Slot: SlotsMax, Kind: 255, Label: strings.Repeat("n", LabelMax),
		Params: params{MemoryKiB: 1<<32 - 1, Passes: 1<<32 - 1, Lanes: 255, Key: make([]byte, blobMax)},
		Wraps:  []wrap{{Number: 1<<64 - 2}, {Number: 1<<64 - 1}}}
	if item := must(wire.Marshal(b)); len(item) > itemMax {
		t.Errorf("%d bytes; at most %d", len(item), itemMax)
	}
}
