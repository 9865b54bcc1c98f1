package keyring

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/vungxa/vungxa/node"
)

// Changing the data key means writing all data anew, which takes a while and may be
// cut short anywhere. The key file's half of it:
//
//	Begin    the file holds the old key and a new one, both in each slot that stays
//	  (the data are written anew under the new key; one small file, sealed with
//	  that, says that all of it is there: package daemon)
//	Settle   the file holds one of them
//
// Whoever opens a file with two keys looks for that small file and goes on from
// there: without it the change is given up (Settle(false)), with it it is finished
// (Settle(true)). Nothing is lost in any order of crashes, since the file holds both
// keys from before the first byte under the new one until after the last under the
// old.

// Rotating are the old and the new keys while the data key is changed.
func (r *Ring) Rotating() (old, next Keys, is bool) {
	n := r.numbers()
	if len(n) < 2 {
		return r.Keys(), Keys{}, false
	}
	return r.keys[n[0]], r.keys[n[1]], true
}

// Begin draws a new data key and wraps it in every slot that one of the secrets
// opens; Settle(true) drops the others, whose numbers are given. A change that was
// begun before goes on with its key. At least one slot must open.
func (r *Ring) Begin(secrets ...Secret) (dropped []int, err error) {
	if _, _, is := r.Rotating(); is {
		return r.lacking(), nil
	}
	number := r.numbers()[0] + 1
	next := Keys{StoreID: r.Keys().StoreID}
	if _, err := io.ReadFull(r.rand, next.Data[:]); err != nil {
		return nil, fmt.Errorf("draw the data key: %w", err)
	}
	err = r.change(func(slots []*block) ([]*block, error) {
		any := false
		for i, b := range slots {
			both, err := r.rewrap(b, number, next, secrets)
			if err != nil {
				return nil, err
			}
			if both != nil {
				slots[i], any = both, true
			}
		}
		if !any {
			return nil, node.Errorf(node.Unauthenticated, "Không bí mật nào mở được tệp khóa.", "none of the secrets opens a slot of the key file")
		}
		return slots, nil
	})
	if err != nil {
		return nil, err
	}
	r.keys[number] = next
	return r.lacking(), nil
}

// Lacking are the readable slots that none of the secrets opens: Begin with the same
// secrets leaves them out.
func (r *Ring) Lacking(secrets ...Secret) (slots []int, err error) {
	for _, b := range r.file.slots {
		opened, err := b.opensWith(secrets)
		if err != nil {
			return nil, err
		}
		if opened == nil {
			slots = append(slots, int(b.Slot))
		}
	}
	return slots, nil
}

// opensWith gives the first secret that opens a slot, or nil.
func (b *block) opensWith(secrets []Secret) (*Secret, error) {
	for _, s := range append([]Secret{BesideSecret()}, secrets...) {
		if s.Kind != b.Kind {
			continue
		}
		_, err := b.open(s)
		if err == nil {
			return &s, nil
		}
		if !errors.Is(err, errSecret) {
			return nil, err
		}
	}
	return nil, nil
}

// rewrap gives the slot with the next key added, or nil where no secret opens it.
// The wrapping key stays: what changes is what it wraps.
func (r *Ring) rewrap(b *block, number uint64, next Keys, secrets []Secret) (*block, error) {
	s, err := b.opensWith(secrets)
	if s == nil || err != nil {
		return nil, err
	}
	wrapping, err := s.wrappingKey(b.Params)
	if err != nil {
		return nil, err
	}
	both := *b
	both.Wraps = slices.Clone(b.Wraps)
	return &both, both.seal(wrapping, number, next.Data, r.rand)
}

// lacking are the slots that hold the old key alone.
func (r *Ring) lacking() (slots []int) {
	for _, b := range r.file.slots {
		if len(b.Wraps) < 2 {
			slots = append(slots, int(b.Slot))
		}
	}
	return slots
}

// Settle ends a change of the data key: with the new key, if the store is under it,
// and else with the old. Without a change it does nothing.
func (r *Ring) Settle(next bool) error {
	n := r.numbers()
	if len(n) < 2 {
		return nil
	}
	keep := n[0]
	if next {
		keep = n[1]
	}
	err := r.change(func(slots []*block) (kept []*block, err error) {
		for _, b := range slots {
			i := slices.IndexFunc(b.Wraps, func(w wrap) bool { return w.Number == keep })
			if i < 0 {
				continue
			}
			one := *b
			one.Wraps = []wrap{b.Wraps[i]}
			kept = append(kept, &one)
		}
		if len(kept) == 0 {
			return nil, node.Errorf(node.Damaged, "Không cách mở nào giữ khóa mới.", "no slot holds the new key")
		}
		return kept, nil
	})
	if err == nil {
		r.keys = map[uint64]Keys{keep: r.keys[keep]}
	}
	return err
}
