//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// overlay is a collection that no program knows: water points of a commune.
const overlay = `
code_lists:
  WaterSource:
    label: {vi: Nguồn nước, en: Source of water}
    items:
      - {code: spring, label: {vi: Nước mó, en: Spring}}
      - {code: well, label: {vi: Giếng khoan, en: Drilled well}}

collections:
  - id: water_points
    label: {vi: Điểm lấy nước, en: Water points}
    title: Name
    key: Number
    columns: [Name, Source, Reported, Mended]
    sort: {field: Reported, desc: true}
    kpi: {received: Reported, resolved: Mended, due: Promised}
    fields:
      - {id: 1, name: Name, label: {vi: Tên điểm, en: Name}, type: text, max: 40, required: true, sortable: true, search: true, policy: review}
      - {id: 2, name: Source, label: {vi: Nguồn, en: Source}, type: code, list: WaterSource, filter: true}
      - {id: 3, name: Reported, label: {vi: Ngày báo hỏng, en: Reported}, type: date, filter: true, sortable: true}
      - {id: 4, name: Mended, label: {vi: Ngày sửa xong, en: Mended}, type: date}
      - {id: 5, name: Promised, label: {vi: Ngày hẹn, en: Promised}, type: date, policy: review}
      - {id: 6, name: Homes, label: {vi: Số hộ dùng, en: Homes}, type: integer}
      - {id: 7, name: Number, label: {vi: Số hiệu, en: Number}, type: text, max: 20, search: true}
    sections:
      - {label: {vi: Điểm nước, en: Water point}, fields: [Name, Number, Source, Reported, Mended, Promised, Homes]}
    checks:
      - {id: mended-first, order: [Reported, Mended], severity: refuse, message: {vi: "Sửa xong trước khi báo hỏng; hãy xem lại hai ngày", en: "Mended before it was reported; look at both dates"}}
      - {id: no-promise, when: {field: Reported, set: true}, then: {field: Promised, set: true}, severity: flag, message: {vi: "Chưa hẹn ngày sửa", en: "No day is promised"}}
`

// overlayMapping takes a list of water points in.
const overlayMapping = `
collection: water_points
time_zone: Asia/Ho_Chi_Minh
key: {from: so_hieu, prefix: nuoc/}
columns:
  Name: {from: ten}
  Source: {from: nguon, codes: {MO: spring, GK: well}}
  Reported: {from: bao_hong, format: "dd/MM/yyyy"}
`

// TestCollectionWithoutCode gives three nodes a collection that is nowhere in
// the program, and uses it: form, list, search, check, import, sync, KPIs.
func TestCollectionWithoutCode(t *testing.T) {
	t.Parallel()
	c := newCommune(t)
	packs := t.TempDir()
	write(t, filepath.Join(packs, "water.yaml"), overlay)
	for _, p := range c.places() {
		p.flags = []string{"--packs", packs}
	}
	c.run()
	c.inSchema("water_points", "WaterSource")

	good := values{"Name": "Mó nước Bản Đuốc", "Source": "spring", "Reported": "2025-03-05", "Promised": "2025-03-09", "Homes": 17}
	r, err := c.laptop.page.create("water_points", good)
	c.must(err)
	c.refused(values{"Name": "Giếng", "Reported": "2025-03-05", "Mended": "2025-03-01"}, "values.Mended")
	c.refused(values{"Source": "spring"}, "values.Name")
	c.refused(values{"Name": "Giếng", "Source": "river"}, "values.Source")
	c.refused(values{"Name": "Giếng", "Homes": "nhiều"}, "values.Homes")
	c.finds("mo nuoc ban duoc", r.ID)

	list, mapping := filepath.Join(packs, "list.csv"), filepath.Join(packs, "mapping.txt")
	write(t, list, "so_hieu,ten,nguon,bao_hong\n7,Giếng Nà Lầu,GK,11/03/2025\n8,Giếng Khuổi,GIẾNG,11/03/2025\n")
	write(t, mapping, overlayMapping)
	in := command(t, "import", "--lang", "en", "--dir", c.box.dir, "--packs", packs, "--collection", "water_points", "--map", mapping, list)
	in.says(t, 3, "new 1")
	in.says(t, 3, `row 3, column nguon, "GIẾNG"`)

	eventually(t, "both water points at the province", func() error {
		for _, p := range c.places() {
			n, err := p.page.total("water_points", values{"tick": "province"})
			if err != nil || n != 2 {
				return errors.Join(err, fmt.Errorf("%s has %d", p.name, n))
			}
		}
		return nil
	})
	kpis := c.sameFigures(month)["water_points"]
	for id, want := range map[string]float64{"received": 2, "resolved": 0, "overdue": 1} {
		if got := kpis[id]; got == nil || *got != want {
			t.Errorf("the figure %s is %v; want %v", id, got, want)
		}
	}
	flagged, err := c.province.page.total("water_points", values{"flagged": true})
	if err != nil || flagged != 1 {
		t.Errorf("%d are flagged, %v; want the one without a promise", flagged, err)
	}
	c.stop()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// inSchema fails unless every node offers the collection and the code list.
func (c *commune) inSchema(collection, list string) {
	c.t.Helper()
	for _, p := range c.places() {
		var s struct {
			Collections []struct {
				ID     string `json:"id"`
				Fields []struct {
					Name   string `json:"name"`
					Review bool   `json:"review"`
				} `json:"fields"`
			} `json:"collections"`
			CodeLists map[string]struct {
				Items []any `json:"items"`
			} `json:"code_lists"`
		}
		c.must(p.page.ask("GET", "schema", nil, &s))
		reviewed := 0
		for _, known := range s.Collections {
			for _, f := range known.Fields {
				if known.ID == collection && f.Review {
					reviewed++
				}
			}
		}
		if reviewed != 2 || len(s.CodeLists[list].Items) != 2 {
			c.t.Errorf("%s: %d review fields in %s, %d items in %s; want 2 and 2", p.name, reviewed, collection, len(s.CodeLists[list].Items), list)
		}
	}
}

// refused fails unless the laptop refuses the values, and names the place.
func (c *commune) refused(v values, place string) {
	c.t.Helper()
	_, err := c.laptop.page.create("water_points", v)
	var refusal *problem
	if !errors.As(err, &refusal) || refusal.Status != 422 || !refusal.names(place) {
		c.t.Errorf("%v: %v; want a refusal that names %s", v, err, place)
	}
}

// finds fails unless the laptop finds just this record by its text.
func (c *commune) finds(text, id string) {
	c.t.Helper()
	f, err := c.laptop.page.search("water_points", values{"text": text})
	c.must(err)
	if !slices.ContainsFunc(f.Items, func(r record) bool { return r.ID == id }) || f.Total != 1 {
		c.t.Errorf("%q finds %d records; want the one", text, f.Total)
	}
}
