package keyring

import (
	"crypto/rand"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// The data key is changed in two steps; between them both keys are there.
func TestRotation(t *testing.T) {
	for _, next := range []bool{true, false} {
		dir := t.TempDir()
		stays, goes := secret(t, KeyFile), secret(t, Environment)
		r := must(Create(dir, stays, "", rand.Reader))
		must(r.Add(goes, ""))
		first := r.Keys()
		if _, err := r.Begin(secret(t, KeyFile)); node.CodeOf(err) != node.Unauthenticated {
			t.Errorf("begun without a secret: %v", err)
		}
		if lacking := must(r.Lacking(stays)); !slices.Equal(lacking, []int{2}) {
			t.Errorf("slots %v lack a secret; want 2", lacking)
		}
		if dropped := must(r.Begin(stays)); !slices.Equal(dropped, []int{2}) {
			t.Errorf("slots %v are dropped; want 2", dropped)
		}
		old, fresh, is := r.Rotating()
		if !is || old != first || fresh.Data == old.Data || fresh.StoreID != old.StoreID {
			t.Error("the ring isn't rotating between two keys of one store")
		}
		again := must(Open(dir, rand.Reader, goes, stays))
		if o, f, is := again.Rotating(); !is || o != old || f != fresh {
			t.Error("opened again, it isn't rotating between the same keys")
		}
		if dropped := must(again.Begin(stays)); !slices.Equal(dropped, []int{2}) {
			t.Errorf("begun again, slots %v are dropped", dropped)
		}
		lacking := must(Open(dir, rand.Reader, goes))
		if _, _, is := lacking.Rotating(); is || lacking.Keys() != old {
			t.Error("the slot that goes shows the new key")
		}
		if _, err := lacking.Add(secret(t, KeyFile), ""); node.CodeOf(err) != node.Conflict {
			t.Errorf("changed by who lacks the new key: %v", err)
		}
		if !must(Read(dir)).Rotating {
			t.Error("nobody is told")
		}
		if err := again.Settle(next); err != nil {
			t.Fatal(err)
		}
		want, slots := old, 2
		if next {
			want, slots = fresh, 1
		}
		if got := must(Open(dir, rand.Reader, stays)); got.Keys() != want || len(got.Protection().Slots) != slots || got.Protection().Rotating {
			t.Errorf("settled (%v) on the wrong key or slots: %+v", next, got.Protection())
		}
		_, err := Open(dir, rand.Reader, goes)
		if next != (node.CodeOf(err) == node.Unauthenticated) {
			t.Errorf("settled (%v), the slot that went: %v", next, err)
		}
	}
}
