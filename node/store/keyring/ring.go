package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
)

// Ring is an opened key file: the keys, and the right to change the slots. Its
// changes are durable when they return, and a crash within one leaves the slots as
// they were or as they should be. One goroutine uses it at a time.
type Ring struct {
	dir  string
	rand io.Reader
	file *file
	keys map[uint64]Keys // by number: one, or two while the data key is changed
}

// Exists says whether a directory has a key file.
func Exists(dir string) (bool, error) {
	for _, name := range []string{FileName, CopyName} {
		_, err := os.Stat(filepath.Join(dir, name))
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// Create makes a key file with a new store id, a new data key and one slot. There
// must be none: a key file that is replaced takes all data with it.
func Create(dir string, first Secret, label string, rand io.Reader) (_ *Ring, err error) {
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if is, err := Exists(dir); is || err != nil {
		return nil, errors.Join(err, node.Errorf(node.Conflict, "Thư mục %s đã có tệp khóa.", "the directory %s has a key file", dir))
	}
	var k Keys
	for _, b := range [][]byte{k.StoreID[:], k.Data[:]} {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, fmt.Errorf("draw the data key: %w", err)
		}
	}
	r := &Ring{dir: dir, rand: rand, keys: map[uint64]Keys{1: k}, file: &file{}}
	b, err := r.newSlot(1, first, label)
	if err != nil {
		return nil, err
	}
	return r, r.put([]*block{b})
}

// Open opens the key file with whichever of the secrets fits a slot; slots that
// need none are tried in any case, and passwords last. Copies that a crash or a
// bad sector made differ are made equal again. Errors are sentences: node.NotFound
// (no file), node.Damaged, node.Unauthenticated (nothing fits).
func Open(dir string, rand io.Reader, secrets ...Secret) (_ *Ring, err error) {
	if is, err := Exists(dir); !is {
		return nil, errors.Join(err, missing(dir))
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	f, err := readFile(dir)
	if err != nil {
		return nil, err
	}
	r := &Ring{dir: dir, rand: rand, file: f}
	if r.keys, err = f.open(secrets); err != nil {
		return nil, err
	}
	return r, errors.Join(f.heal(dir), sweep(dir))
}

func sweep(dir string) error {
	return errors.Join(durable.Sweep(filepath.Join(dir, FileName)), durable.Sweep(filepath.Join(dir, CopyName)))
}

// open tries every slot with every secret of its kind, cheap ones first. While the
// data key is changed it looks for a slot that holds both keys.
func (f *file) open(secrets []Secret) (map[uint64]Keys, error) {
	secrets = append([]Secret{BesideSecret()}, secrets...)
	slices.SortStableFunc(secrets, func(a, b Secret) int { return cost(a.Kind) - cost(b.Kind) })
	var best map[uint64]Keys
	for _, s := range secrets {
		for _, b := range f.slots {
			if b.Kind != s.Kind || best != nil && len(b.Wraps) <= len(best) {
				continue
			}
			opened, err := b.open(s)
			if errors.Is(err, errSecret) {
				continue
			}
			if err != nil {
				return nil, err
			}
			best = map[uint64]Keys{}
			for number, key := range opened {
				best[number] = Keys{StoreID: b.StoreID, Data: key}
			}
		}
	}
	if best == nil {
		return nil, f.closed(secrets)
	}
	return best, nil
}

func cost(k Kind) int {
	if k == Password {
		return 1
	}
	return 0
}

// closed says why nothing opens, and what would.
func (f *file) closed(secrets []Secret) error {
	given := func(k Kind) bool { return slices.ContainsFunc(secrets, func(s Secret) bool { return s.Kind == k }) }
	has := func(k Kind) bool { return slices.ContainsFunc(f.slots, func(b *block) bool { return b.Kind == k }) }
	switch {
	case has(Password) && given(Password):
		return node.Errorf(node.Unauthenticated, "Mật khẩu của kho không đúng. Hãy chạy lại và gõ lại.", "the store's password is wrong; run it again")
	case has(KeyFile) && given(KeyFile), has(Environment) && given(Environment):
		return node.Errorf(node.Unauthenticated, "Khóa được đưa không phải của kho này. Hãy tìm đúng tệp hoặc biến giữ khóa; `vungxa keys list` cho thấy các cách mở.", "the key given is not this store's; look for the right file or variable (`vungxa keys list` shows what opens it)")
	case has(Password):
		return node.Errorf(node.Unauthenticated,
			"Kho này mở bằng mật khẩu. Hãy chạy lệnh ở cửa sổ dòng lệnh để được hỏi, hoặc đưa mật khẩu qua --password-stdin.",
			"this store opens with a password; run the command in a terminal to be asked, or hand it over with --password-stdin")
	case has(KeyFile):
		return node.Errorf(node.Unauthenticated,
			"Kho này mở bằng tệp khóa để ở nơi khác. Hãy cắm thiết bị giữ tệp đó và chạy với --key-file TỆP.",
			"this store opens with a key file that is kept elsewhere; plug in what holds it and run with --key-file FILE")
	case has(Environment):
		return node.Errorf(node.Unauthenticated,
			"Kho này mở bằng khóa trong biến môi trường hoặc systemd credential. Hãy đặt VUNGXA_KEY, hoặc chạy với --key-env TÊN.",
			"this store opens with a key in an environment variable or a systemd credential; set VUNGXA_KEY, or run with --key-env NAME")
	}
	return node.Errorf(node.Damaged,
		"Không cách nào trong tệp khóa mở được kho; tệp có thể đã hỏng. Hãy chép lại một bản cất giữ của tệp này.",
		"no slot of the key file opens; it may be damaged: put back a kept copy of it")
}

// Keys are the keys of the store. While the data key is changed they are the old
// ones: see Rotating. A slot that the change drops opens with those alone.
func (r *Ring) Keys() Keys { return r.keys[r.numbers()[0]] }

func (r *Ring) numbers() (n []uint64) {
	for k := range r.keys {
		n = append(n, k)
	}
	slices.Sort(n)
	return n
}

// Add adds a slot and gives its number.
func (r *Ring) Add(s Secret, label string) (int, error) {
	var added *block
	err := r.change(func(slots []*block) ([]*block, error) {
		n := r.free()
		if n == 0 {
			return nil, node.Errorf(node.Conflict, "Tệp khóa đã đủ %d cách mở; hãy bỏ bớt một cách.", "the key file has all its %d slots; remove one", SlotsMax)
		}
		var err error
		added, err = r.newSlot(n, s, label)
		return append(slots, added), err
	})
	if err != nil {
		return 0, err
	}
	return int(added.Slot), nil
}

// free is the lowest number without a slot, or 0. A damaged slot has its number.
func (r *Ring) free() uint8 {
	for n := uint8(1); n <= SlotsMax; n++ {
		if r.file.mask&(1<<(n-1)) == 0 {
			return n
		}
	}
	return 0
}

// Remove takes a slot away, damaged or not; never the last that this program can
// open. The bytes stay on the disk until it writes over them: who had the secret
// and copies the old file can still open the data, until the data key is changed.
func (r *Ring) Remove(slot int) error {
	return r.change(func(slots []*block) ([]*block, error) {
		if slot < 1 || slot > SlotsMax || r.file.mask&(1<<(slot-1)) == 0 {
			return nil, noSlot(slot)
		}
		left := slices.DeleteFunc(slots, func(b *block) bool { return int(b.Slot) == slot })
		if !slices.ContainsFunc(left, func(b *block) bool { return kindNames[b.Kind] != "" }) {
			return nil, node.Errorf(node.Conflict,
				"Đây là cách cuối cùng mở được kho; bỏ đi thì không ai mở được nữa. Hãy thêm cách khác trước.",
				"this is the last slot that opens the store; without it nobody could: add another one first")
		}
		return left, nil
	})
}

func noSlot(slot int) error {
	return node.Errorf(node.NotFound, "Tệp khóa không có cách mở số %d. `vungxa keys list` cho thấy các cách mở.",
		"the key file has no slot %d; `vungxa keys list` shows them", slot)
}

// Replace gives a slot another secret of any kind, in one step.
func (r *Ring) Replace(slot int, s Secret) error {
	return r.change(func(slots []*block) ([]*block, error) {
		i := slices.IndexFunc(slots, func(b *block) bool { return int(b.Slot) == slot })
		if i < 0 {
			return nil, noSlot(slot)
		}
		b, err := r.newSlot(uint8(slot), s, slots[i].Label)
		slots[i] = b
		return slots, err
	})
}

// SlotOf is the number of a slot that a secret opens, or 0.
func (r *Ring) SlotOf(s Secret) (int, error) {
	for _, b := range r.file.slots {
		if b.Kind != s.Kind {
			continue
		}
		_, err := b.open(s)
		if err == nil {
			return int(b.Slot), nil
		}
		if !errors.Is(err, errSecret) {
			return 0, err
		}
	}
	return 0, nil
}

// newSlot wraps all of the ring's keys under a secret.
func (r *Ring) newSlot(n uint8, s Secret, label string) (*block, error) {
	if len(label) > LabelMax {
		return nil, node.Errorf(node.Invalid, "Nhãn dài quá %d byte.", "the label is longer than %d bytes", LabelMax)
	}
	p, err := newParams(s, r.rand)
	if err != nil {
		return nil, err
	}
	b := &block{Format: format, StoreID: r.Keys().StoreID, Slot: n, Kind: s.Kind, Label: label, Params: p}
	wrapping, err := s.wrappingKey(p)
	if err != nil {
		return nil, err
	}
	for _, number := range r.numbers() {
		if err := b.seal(wrapping, number, r.keys[number].Data, r.rand); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// change replaces the slots, if nobody else has meanwhile. to gets the readable slots
// and may keep them, but must not alter one; those that are damaged in both copies
// open nothing and are forgotten.
func (r *Ring) change(to func([]*block) ([]*block, error)) (err error) {
	unlock, err := lock(r.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	now, err := readFile(r.dir)
	if err != nil {
		return err
	}
	if now.revision != r.file.revision {
		return node.Errorf(node.Conflict, "Tệp khóa vừa bị một lệnh khác thay đổi. Hãy làm lại.", "another command has just changed the key file; do it again")
	}
	if r.file.rotating() && len(r.keys) < 2 {
		return node.Errorf(node.Conflict,
			"Khóa dữ liệu đang được đổi dở. Hãy mở bằng một cách được giữ lại để `vungxa keys rotate` làm nốt.",
			"a change of the data key is unfinished; open with a slot that stays, and let `vungxa keys rotate` finish it")
	}
	slots, err := to(slices.Clone(r.file.slots))
	if err != nil {
		return err
	}
	return r.put(slots)
}

// put writes slots as the next revision. They are written as copies: what the ring
// holds stays true if writing fails.
func (r *Ring) put(slots []*block) error {
	next := make([]*block, len(slots))
	for i, b := range slots {
		c := *b
		next[i] = &c
	}
	if err := write(r.dir, r.file.revision+1, next); err != nil {
		return err
	}
	r.file = merge(next)
	r.file.sound = true
	return nil
}
