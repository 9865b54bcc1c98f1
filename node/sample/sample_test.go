package sample

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var noon = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC) // 12:00 in the office, a Monday

func commune(t interface{ Fatal(...any) }) *schema.Pack {
	p, err := packs.Commune()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSameSeedSameOffice(t *testing.T) {
	p := commune(t)
	a, b := slices.Collect(Generate(7, noon, p)), slices.Collect(Generate(7, noon, p))
	if !reflect.DeepEqual(a, b) {
		t.Error("two runs of one seed differ")
	}
	if c := slices.Collect(Generate(8, noon, p)); reflect.DeepEqual(a, c) {
		t.Error("another seed makes the same office")
	}
	for range Generate(7, noon, p) {
		break // a reader may stop
	}
}

// Whenever now is and whatever the seed: the records are what the pack takes, in
// order, nothing but due dates lies after now, and the office works in its hours.
func TestRecordsAreSound(t *testing.T) {
	p := commune(t)
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 3*365*24*60).Draw(t, "minutes")) * time.Minute)
		last := now.AddDate(0, -months, -1)
		n := map[string]int{}
		for r := range Generate(rapid.Uint64().Draw(t, "seed"), now, p) {
			n[r.Collection]++
			if r.At.Before(last) || r.At.After(now) {
				t.Fatalf("a record of %s after one of %s, now %s", r.At, last, now)
			}
			last = r.At
			sound(t, p, r, now)
		}
		if n["dossiers"] != Dossiers || n["petitions"] != Petitions {
			t.Fatalf("made %v", n)
		}
	})
}

func sound(t *rapid.T, p *schema.Pack, r Record, now time.Time) {
	c, _ := p.Collection(r.Collection)
	for name, v := range r.Values {
		f, ok := c.Field(name)
		if !ok {
			t.Fatalf("%s has no field %s", r.Collection, name)
		}
		if parsed, ferr := f.Parse(v); ferr != nil || !reflect.DeepEqual(parsed, v) {
			t.Fatalf("%s: %v is no value that a form would give: %v, %v", name, v, parsed, ferr)
		}
		ms, ok := v.(int64)
		if !ok || name == "NgayHenTra" || name == "HanGiaiQuyet" {
			continue
		}
		at := time.UnixMilli(ms).In(p.Zone())
		if at.After(now) {
			t.Fatalf("%s is %s, after now, %s", name, at, now)
		}
		if clock := at.Format("15:04"); name != "NgayNop" && (!working(at) || clock < "07:30" || clock > "17:00" || (clock >= "11:30" && clock < "13:00")) {
			t.Fatalf("%s is %s, when the office is closed", name, at)
		}
	}
	if bad := c.Validate(withCode(r.Values), true); len(bad) > 0 {
		t.Fatalf("a save would be refused: %+v of %v", bad, r.Values)
	}
}

// withCode adds what the engine generates.
func withCode(values map[string]any) map[string]any {
	out := maps.Clone(values)
	out["MaHoSo"] = "T-1"
	return out
}

// The distribution of one seed, for people to judge whether it looks like an
// office, and for us to see when it changes.
func TestDistribution(t *testing.T) {
	got := distribution(t, 1)
	const golden = "testdata/distribution.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the distribution has changed (go test -update rewrites it); got\n%s\nwant\n%s", got, want)
	}
}

func distribution(t *testing.T, seed uint64) string {
	p := commune(t)
	counts := map[string]map[string]int{}
	count := func(what string, v any) {
		if counts[what] == nil {
			counts[what] = map[string]int{}
		}
		counts[what][fmt.Sprint(v)]++
	}
	var out strings.Builder
	for r := range Generate(seed, noon, p) {
		c, _ := p.Collection(r.Collection)
		for _, name := range []string{"TenTTHC", "KenhThucHien", "TrangThaiHoSo", "LoaiDoiTuong", "Kenh", "LinhVuc", "TrangThai"} {
			if v := r.Values[name]; v != nil {
				count(r.Collection+" "+name, v)
			}
		}
		for _, f := range c.Flags(r.Values) {
			count(r.Collection+" flagged", f.Check)
		}
		count(r.Collection+" standing", standing(c, r.Values))
		count(r.Collection+" month of receipt", month(c, r.Values, p))
		count(r.Collection+" entered by", r.Officer)
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintln(&out, what)
		for _, v := range slices.Sorted(maps.Keys(counts[what])) {
			fmt.Fprintf(&out, "  %5d %s\n", counts[what][v], v)
		}
	}
	return out.String()
}

func standing(c *schema.Collection, values map[string]any) string {
	received, resolved, due := c.Fact(values)
	switch {
	case received == nil:
		return "not received"
	case resolved != nil && *resolved <= *due:
		return "done on time"
	case resolved != nil:
		return "done late"
	case *due < noon.UnixMilli():
		return "open, overdue"
	}
	return "open, not yet due"
}

func month(c *schema.Collection, values map[string]any, p *schema.Pack) string {
	received, _, _ := c.Fact(values)
	if received == nil {
		return "none"
	}
	return time.UnixMilli(*received).In(p.Zone()).Format("2006-01")
}

// A pack without the collections gets no records.
func TestNothingForAnotherPack(t *testing.T) {
	if n := len(slices.Collect(Generate(1, noon, &schema.Pack{}))); n != 0 {
		t.Errorf("%d records for a pack without collections", n)
	}
}
