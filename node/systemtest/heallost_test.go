//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// shown are the petitions that a node lists, by what they say, and how many it lists
// as damaged.
func shown(p *place) (texts []string, damaged []string, err error) {
	var f struct {
		Items []struct {
			ID      string `json:"id"`
			Values  values `json:"values"`
			Damaged bool   `json:"damaged"`
		} `json:"items"`
	}
	if err := p.page.ask("POST", "collections/petitions/search", values{"limit": 200}, &f); err != nil {
		return nil, nil, err
	}
	for _, r := range f.Items {
		if r.Damaged {
			damaged = append(damaged, r.ID)
		} else {
			texts = append(texts, fmt.Sprint(r.Values["NoiDung"]))
		}
	}
	slices.Sort(texts)
	return texts, damaged, nil
}

// shows waits until a node lists just these petitions, and so many that are damaged.
func (c *commune) shows(p *place, damaged int, texts ...string) (ids []string) {
	c.t.Helper()
	slices.Sort(texts)
	eventually(c.t, "the petitions of "+p.name, func() error {
		got, bad, err := shown(p)
		if err == nil && (!slices.Equal(got, texts) || len(bad) != damaged) {
			err = fmt.Errorf("it lists %q and %d damaged; want %q and %d", got, len(bad), texts, damaged)
		}
		ids = bad
		return err
	})
	return ids
}

// A laptop saves with no line, and its disk spoils one of these saves, which nobody
// else has. That stays shown as damaged, and nothing is shown in its place; what else
// was spoiled comes back; the laptop goes on in logs of a new name, which all receive,
// with what it had saved before the hole. No tick that was shown goes back.
func TestAHoleThatNobodyCanFill(t *testing.T) {
	t.Parallel()
	c := filled(t, 2)
	received, err := c.laptop.page.total("petitions", values{"tick": "province"})
	c.must(err)
	c.stop(c.province, c.box)
	for _, text := range []string{"Trước", "Mất", "Sau"} {
		_, err := c.laptop.page.create("petitions", values{"NoiDung": text})
		c.must(err)
	}
	c.stop(c.laptop)
	spoil(t, c.laptop, c.laptop, func(seq, head uint64) bool { return seq == head-1 })
	c.run()
	old := []string{"Đường hỏng số 0", "Đường hỏng số 1"}
	ids := c.shows(c.laptop, 1, append(old, "Trước", "Sau")...)
	var refusal *problem
	if _, err := c.laptop.page.get("petitions", ids[0]); !errors.As(err, &refusal) || refusal.Code != "damaged" {
		t.Errorf("the lost petition: %v; want that it is damaged", err)
	}
	for _, p := range []*place{c.laptop, c.box} {
		_, err := p.page.create("petitions", values{"NoiDung": "Mới ở " + p.name})
		c.must(err)
	}
	new := []string{"Mới ở laptop", "Mới ở box"}
	for _, p := range []*place{c.box, c.province} {
		c.shows(p, 0, slices.Concat(old, new, []string{"Trước"})...)
		if n, err := damage(p); n > 0 || err != nil {
			t.Errorf("%s says that %d items are damaged (%v)", p.name, n, err)
		}
	}
	c.shows(c.laptop, 1, slices.Concat(old, new, []string{"Trước", "Sau"})...)
	eventually(t, "the ticks of what was received", func() error {
		n, err := c.laptop.page.total("petitions", values{"tick": "province"})
		if want := received + 1 + len(new); err == nil && n != want {
			err = fmt.Errorf("%d petitions are at the province; want %d", n, want)
		}
		return err
	})
	if n, err := damage(c.laptop); n == 0 || err != nil {
		t.Errorf("the laptop says that %d items are damaged (%v); want the hole still told of", n, err)
	}
	if s, err := c.laptop.page.status(); s.Unsent.Count == 0 || err != nil {
		t.Errorf("%d saves are unsent (%v); want those behind the hole", s.Unsent.Count, err)
	}
	c.stop()
	command(t, "--lang", "en", "verify", "--dir", c.laptop.dir).says(t, 4, "Records petitions")
}
