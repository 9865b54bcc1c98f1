package schema

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

const goodPack = `pack:
  id: small
  version: 3
  label: {vi: Nhỏ, en: Small}
  utc_offset: "+07:00"
`

const goodCollection = `code_lists:
  Colour:
    label: {vi: Màu, en: Colour}
    source: a decree
    confidence: S
    items:
      - {code: "1", label: {vi: Đỏ, en: Red}, from: "2020-01-01", to: "2021-01-01"}
      - {code: "2", label: {vi: Xanh, en: Blue}}
  Taste:
    label: {vi: Vị, en: Taste}
    open: true
collections:
  - id: fruit
    label: {vi: Quả, en: Fruit}
    title: Name
    status: Colour
    columns: [Name, Colour]
    sort: {field: Name}
    kpi: {received: Picked}
    next: {"1": ["2"]}
    fields:
      - {id: 1, name: Name, label: {vi: Tên, en: Name}, type: text}
      - {id: 2, name: Colour, label: {vi: Màu, en: Colour}, type: code, list: Colour}
      - {id: 3, name: Picked, label: {vi: Hái, en: Picked}, type: date, filter: true}
      - {id: 4, name: Tastes, label: {vi: Vị, en: Tastes}, type: list, list: Taste, max: 10}
    sections:
      - {label: {vi: Quả, en: Fruit}, fields: [Name, Colour, Picked, Tastes]}
    checks:
      - {id: ripe, severity: flag, message: {vi: chín, en: ripe}, when: {field: Colour, in: ["1"]}, then: {field: Picked, set: true}}
`

func files(kv ...string) fs.FS {
	m := fstest.MapFS{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = &fstest.MapFile{Data: []byte(kv[i+1])}
	}
	return m
}

// sortable makes the good collection's sort field sortable, as it must be.
var goodFruit = strings.Replace(goodCollection, "en: Name}, type: text", "en: Name}, type: text, sortable: true", 1)

func TestLoadGoodPack(t *testing.T) {
	p, err := Load(files("a.yaml", goodPack, "folder/b.yaml", goodFruit, "README.md", "not read"))
	if err != nil {
		t.Fatal(err)
	}
	c, ok := p.Collection("fruit")
	if !ok || p.Version != 3 || p.OffsetMinutes != 420 {
		t.Fatalf("got %+v", p)
	}
	f, ok := c.FieldByID(4)
	if named, _ := c.Field("Tastes"); !ok || f != named || f.Max != 10 || f.Kind != KindAssign || f.Policy != PolicyLWW {
		t.Errorf("got %+v", f)
	}
	if f, _ := c.Field("Name"); f.Max != 200 {
		t.Errorf("a text without max has %d", f.Max)
	}
	if _, ok := c.Field("Nome"); ok {
		t.Error("a field that isn't there was found")
	}
}

// Each row breaks the good pack in one place and says what the error must name.
func TestLoadNamesEveryMistake(t *testing.T) {
	for name, c := range map[string]struct{ old, new, says string }{
		"unknown key":            {"status: Colour", "stauts: Colour", "b.yaml:16: unknown field"},
		"key given twice":        {"    title: Name\n", "    title: Name\n    title: Name\n", "b.yaml:16"},
		"not YAML":               {"columns: [Name, Colour]", "columns: [Name, Colour", "b.yaml:"},
		"anchor":                 {"label: {vi: Quả, en: Fruit}\n    title", "label: &x {vi: Quả, en: Fruit}\n    title", "anchors and aliases"},
		"no English":             {"{vi: Hái, en: Picked}", "{vi: Hái}", "b.yaml:24: collections[0].fields[2].label: want a text in both languages"},
		"collection id":          {"id: fruit", "id: Fruit salad", "b.yaml:13: collections[0].id"},
		"field id 0":             {"{id: 3,", "{id: 0,", "collections[0].fields[2].id: want a number from 1"},
		"field id twice":         {"{id: 3,", "{id: 2,", "collections[0].fields[2].id: the number 2 is taken"},
		"field name":             {"name: Picked,", "name: Pick-ed,", "letters and digits"},
		"field name twice":       {"name: Picked,", "name: Name,", "two fields are called \"Name\""},
		"type":                   {"type: date", "type: day", "collections[0].fields[2].type: want one of"},
		"kind":                   {"type: date", "type: date, kind: counter", "want assign or set"},
		"kind of another type":   {"type: date", "type: date, kind: set", "only a list is a set"},
		"a set's policy":         {"type: date", "type: list, kind: set, policy: lww", "a set has no policy"},
		"policy":                 {"type: date", "type: date, policy: newest", "want one of lww, review"},
		"policy of another type": {"type: date", "type: date, policy: serial", "serial is for [text]"},
		"generated":              {"type: date", "type: date, generated: temporary", "at a text"},
		"date with max":          {"type: date", "type: date, max: 5", "a date has no length"},
		"too long":               {"max: 10", "max: 9000", "want 1 to 8000"},
		"list sortable":          {"max: 10", "sortable: true", "a list has no order"},
		"list filtered":          {"max: 10", "filter: true", "can't be filtered"},
		"date searched":          {"type: date", "type: date, search: true", "a date has no words"},
		"person code":            {"list: Colour}", "list: Colour, person: true}", "only a text holds"},
		"code without list":      {"type: code, list: Colour", "type: code", "a code needs a code list"},
		"unknown code list":      {"type: code, list: Colour", "type: code, list: Color", "no code list is called \"Color\""},
		"text with list":         {"type: text", "type: text, list: Colour", "a text has no code list"},
		"confidence unfounded":   {"    source: a decree\n", "", "code_lists.Colour.source: confidence S needs a source"},
		"confidence":             {"confidence: S", "confidence: high", "want V"},
		"code twice":             {`code: "2"`, `code: "1"`, "code_lists.Colour.items[1].code: the code \"1\" stands twice"},
		"code with space":        {`code: "2"`, `code: "2 "`, "clean text"},
		"item day":               {`to: "2021-01-01"`, `to: "2021-02-30"`, "a day that exists"},
		"item ends first":        {`to: "2021-01-01"`, `to: "2019-01-01"`, "lies before from"},
		"closed and empty":       {"    open: true", "    open: false", "a closed list without items"},
		"fill":                   {"    open: true", "    fill: everything", "want open_lists"},
		"title":                  {"title: Name", "title: Nome", "collections[0].title: no field is called \"Nome\""},
		"no title":               {"    title: Name\n", "", "collections[0].title"},
		"status is no code":      {"status: Colour", "status: Name", "want one of [code]"},
		"columns":                {"columns: [Name, Colour]", "columns: [Name, Color]", "collections[0].columns[1]"},
		"column twice":           {"columns: [Name, Colour]", "columns: [Name, Name]", "stands twice"},
		"no columns":             {"    columns: [Name, Colour]\n", "", "at least one column"},
		"sort":                   {"sort: {field: Name}", "sort: {field: Colour}", "Colour is not sortable"},
		"kpi":                    {"received: Picked", "received: Name", "collections[0].kpi.received: the field Name is a text"},
		"next":                   {`next: {"1": ["2"]}`, `next: {"1": ["3"]}`, "has no code \"3\""},
		"not on the form":        {"Picked, Tastes]", "Picked]", "collections[0].fields[3]: the field stands in no section"},
		"twice on the form":      {"Picked, Tastes]", "Picked, Tastes, Name]", "stands in the form already"},
		"check names no field":   {"then: {field: Picked", "then: {field: Picket", "collections[0].checks[0].then.field"},
		"check code":             {`in: ["1"]`, `in: ["7"]`, "has no code \"7\""},
		"check without form":     {"when: {field: Colour, in: [\"1\"]}, ", "", "either order: [A, B]"},
		"check order of a code":  {`when: {field: Colour, in: ["1"]}, then: {field: Picked, set: true}`, `order: [Colour, Picked]`, "want one of [date datetime]"},
		"check severity":         {"severity: flag", "severity: warn", "want flag or refuse"},
		"condition asks two":     {"set: true}", "set: true, in: [\"1\"]}", "just one of set, in and not_in"},
		"codes of a date":        {"{field: Picked, set: true}", "{field: Picked, in: [\"1\"]}", "has no code list"},
		"overlay key in wrong":   {"collections:", "pack: {id: x, version: 1}\ncollections:", "only the base pack has this key"},
		"empty field":            {"      - {id: 3, name: Picked, label: {vi: Hái, en: Picked}, type: date, filter: true}\n", "      -\n", "the field is empty"},
		"a word where a list is": {"columns: [Name, Colour]", "columns: {a: 1}", "b.yaml:17"},
	} {
		if !strings.Contains(goodFruit, c.old) {
			t.Fatalf("%s: the good pack has no %q", name, c.old)
		}
		_, err := Load(files("a.yaml", goodPack, "b.yaml", strings.Replace(goodFruit, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "b.yaml:") {
			t.Errorf("%s: got %v\nwant an error that says %q", name, err, c.says)
		}
	}
}

func TestLoadHead(t *testing.T) {
	for name, c := range map[string]struct{ old, new, says string }{
		"id":      {"id: small", "id: Small!", "a.yaml:2: pack.id"},
		"version": {"version: 3", "version: 0", "pack.version"},
		"offset":  {`"+07:00"`, `"7"`, "pack.utc_offset"},
		"far":     {`"+07:00"`, `"+17:00"`, "pack.utc_offset"},
		"missing": {goodPack, "code_lists: {}", "no file has the key pack"},
		"empty":   {goodPack, "# nothing", "the file is empty"},
		"two":     {goodPack, goodPack + "---\n" + goodPack, "more than one document"},
		"latin":   {"Nhỏ", "Nh\xe1", "not UTF-8"},
		"huge":    {goodPack, goodPack + strings.Repeat("# pad\n", 200000), "split the file"},
	} {
		if _, err := Load(files("a.yaml", strings.Replace(goodPack, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
	}
}

func TestLoadTellsOfManyMistakesAtOnce(t *testing.T) {
	broken := strings.NewReplacer("en: Picked", "fr: Picked", "type: date", "type: day").Replace(goodFruit)
	broken = strings.Replace(broken, "fr: Picked", "en: ''", 1)
	_, err := Load(files("a.yaml", goodPack, "b.yaml", strings.ReplaceAll(broken, "title: Name", "title: Nome")))
	for _, says := range []string{".title", ".type", ".label"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to name %s", err, says)
		}
	}
}

// An overlay adds a collection that uses a list of the base.
func TestOverlay(t *testing.T) {
	overlay := strings.Replace(goodFruit[strings.Index(goodFruit, "collections:"):], "id: fruit", "id: berries", 1)
	p, err := Load(files("a.yaml", goodPack, "b.yaml", goodFruit), files("more.yaml", overlay))
	if err != nil {
		t.Fatal(err)
	}
	c, ok := p.Collection("berries")
	if !ok || len(p.Collections) != 2 {
		t.Fatalf("collections are %v", p.Collections)
	}
	f, _ := c.Field("Colour")
	if _, ferr := f.Parse("3"); ferr == nil {
		t.Error("the overlay's field doesn't hold to the base's code list")
	}
}

func TestOverlayChangesNothing(t *testing.T) {
	base := files("a.yaml", goodPack, "b.yaml", goodFruit)
	for name, c := range map[string]struct{ file, says string }{
		"a pack of its own":      {goodPack, "only the base pack"},
		"a collection once more": {goodFruit[strings.Index(goodFruit, "collections:"):], "the collection \"fruit\" exists already"},
		"a list once more":       {goodFruit[:strings.Index(goodFruit, "collections:")], "the list exists already"},
	} {
		if _, err := Load(base, files("o.yaml", c.file)); err == nil || !strings.Contains(err.Error(), "o.yaml:") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
	}
}

func TestWithItems(t *testing.T) {
	p, err := Load(files("a.yaml", goodPack, "b.yaml", goodFruit))
	if err != nil {
		t.Fatal(err)
	}
	sour := Item{Code: "sour"}
	sour.Label.EN = "Sour"
	q := p.WithItems([]ListItem{{"Taste", Item{Code: "sour"}}, {"Taste", sour}, {"Colour", Item{Code: "9"}}, {"Nowhere", sour}})
	if items := q.CodeLists["Taste"].Items; len(items) != 1 || items[0].Label.EN != "Sour" {
		t.Errorf("the open list holds %+v", items)
	}
	if q.CodeLists["Colour"].Has("9") || len(p.CodeLists["Taste"].Items) != 0 {
		t.Error("a closed list or the pack it came from was changed")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(goodPack + goodFruit)
	f.Add(goodPack)
	f.Add("collections:\n  - fields:\n      -\n")
	f.Add("code_lists: {A: }")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, file string) {
		p, err := Load(files("a.yaml", file))
		if err != nil {
			return
		}
		for _, c := range p.Collections {
			c.Flags(map[string]any{})
			c.Validate(map[string]any{}, true)
			c.Fact(map[string]any{})
		}
	})
}
