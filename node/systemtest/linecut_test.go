//go:build linux

package systemtest

import (
	"fmt"
	"slices"
	"testing"
)

// TestLineCut cuts the line between laptop and box as the page does. Both go on;
// what they write into one field stands side by side when the line is back, on
// every node; and a cut line stays cut over a restart.
func TestLineCut(t *testing.T) {
	t.Parallel()
	c := newCommune(t)
	c.run()
	r, err := c.box.page.create("petitions", values{"NoiDung": "Đèn đường tắt", "TraLoi": "Đã ghi nhận"})
	c.must(err)
	c.settled()

	c.must(c.laptop.page.cut("box", true))
	c.lineIs(c.laptop, "box", false)
	c.lineIs(c.box, "laptop", false)
	c.write(c.box, r.ID, "Đã sửa xong")
	c.write(c.laptop, r.ID, "Chờ vật tư")
	c.waits(c.laptop, r.ID)

	c.stop(c.laptop)
	c.run(c.laptop)
	if line, err := c.laptop.page.line("box"); err != nil || !line.Cut || line.Connected {
		t.Errorf("after a restart the cut line is %+v, %v", line, err)
	}
	c.waits(c.laptop, r.ID)

	c.must(c.laptop.page.cut("box", false))
	c.lineIs(c.laptop, "box", true)
	c.settled()
	for _, p := range c.places() {
		c.bothStand(p, r.ID)
	}
	c.stop()
	c.sameLogs()
}

// lineIs waits until the line is so, and says why if it isn't connected.
func (c *commune) lineIs(p *place, role string, connected bool) {
	c.t.Helper()
	eventually(c.t, "the line of "+p.name+" to "+role, func() error {
		line, err := p.page.line(role)
		if err == nil && (line.Connected != connected || line.WhyNot == "" && !connected) {
			err = fmt.Errorf("it is %+v; want connected %v", line, connected)
		}
		return err
	})
}

// write answers a petition at a node.
func (c *commune) write(p *place, id, answer string) {
	c.t.Helper()
	r, err := p.page.get("petitions", id)
	c.must(err)
	_, err = p.page.change("petitions", r, values{"TraLoi": answer})
	c.must(err)
}

// waits fails unless the one save of the node waits, and says so.
func (c *commune) waits(p *place, id string) {
	c.t.Helper()
	s, err := p.page.status()
	c.must(err)
	r, err := p.page.get("petitions", id)
	c.must(err)
	if s.Unsent.Count != 1 || r.Tick != "here" || len(r.Conflicts) != 0 {
		c.t.Errorf("%s: %d saves wait, the tick is %q, conflicts %v; want one that is only here", p.name, s.Unsent.Count, r.Tick, r.Conflicts)
	}
}

// bothStand fails unless both answers are kept, one is shown, and the field is
// marked, all received by the province.
func (c *commune) bothStand(p *place, id string) {
	c.t.Helper()
	r, err := p.page.get("petitions", id)
	c.must(err)
	var answers []string
	for _, s := range r.Cells["TraLoi"].Siblings {
		answers = append(answers, fmt.Sprint(s.Value))
	}
	slices.Sort(answers)
	if !slices.Equal(answers, []string{"Chờ vật tư", "Đã sửa xong"}) || !slices.Equal(r.Conflicts, []string{"TraLoi"}) {
		c.t.Errorf("%s keeps the answers %q, conflicts %v; want both, marked", p.name, answers, r.Conflicts)
	}
	if shown, _ := r.Values["TraLoi"].(string); !slices.Contains(answers, shown) || r.Tick != "province" {
		c.t.Errorf("%s shows %q with the tick %q", p.name, shown, r.Tick)
	}
	if n, err := p.page.total("petitions", values{"conflicted": true}); err != nil || n != 1 {
		c.t.Errorf("%s lists %d petitions with conflicts, %v; want 1", p.name, n, err)
	}
}
