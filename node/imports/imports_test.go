package imports_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/imports"
	"github.com/vungxa/vungxa/node/schema"
)

const smallMapping = `collection: petitions
time_zone: America/New_York
missing: [N/A]
key: {from: no, prefix: x/}
columns:
  NoiDung: {from: [what, more], join: "; "}
  NgayTiepNhan: {from: opened, format: dd/MM/yyyy HH:mm}
  CongKhai: {from: public, codes: {Y: "true", N: "false"}}
constants: {TrangThai: received}
`

const header = "no,what,more,opened,public\n"

func mapping(t testing.TB, text string) *imports.Mapping {
	t.Helper()
	m, err := imports.ReadMapping("map.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func text(s string) imports.Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

func run(t testing.TB, mappingText, file string) (*imports.Report, *shelf, error) {
	t.Helper()
	c := collection(t, "petitions")
	sink := newShelf(c)
	report, err := imports.Run(context.Background(), text(file), mapping(t, mappingText), c, sink)
	return report, sink, err
}

func TestRowsAreRead(t *testing.T) {
	report, sink, err := run(t, smallMapping, header+
		"1,a,b,20/11/2012 07:50,Y\n"+
		"2,\"two\nlines, one \"\"word\"\"\",N/A,,N\r\n"+
		"3,N/A,c,N/A,\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{
		"x/1": {"MaNguon": "x/1", "NoiDung": "a; b", "NgayTiepNhan": int64(1353415800000), "CongKhai": true, "TrangThai": "received"},
		"x/2": {"MaNguon": "x/2", "NoiDung": "two\nlines, one \"word\"", "NgayTiepNhan": nil, "CongKhai": false, "TrangThai": "received"},
		"x/3": {"MaNguon": "x/3", "NoiDung": "c", "NgayTiepNhan": nil, "CongKhai": nil, "TrangThai": "received"},
	}
	if !reflect.DeepEqual(sink.records, want) || report.Created != 3 {
		t.Errorf("got %v\nwant %v", sink.records, want)
	}
}

// One row can't be read; the others go in, and the report says where and why.
func TestUnreadableRowsAreReported(t *testing.T) {
	for name, c := range map[string]struct{ row, column, value, says string }{
		"a day that isn't":    {"9,a,,31/02/2012 10:00,Y", "opened", `"31/02/2012 10:00"`, "not a date written as dd/MM/yyyy HH:mm"},
		"another date form":   {"9,a,,2012-02-01,Y", "opened", `"2012-02-01"`, "not a date"},
		"an unknown code":     {"9,a,,,maybe", "public", `"maybe"`, "the mapping's codes don't have this one"},
		"no number":           {",a,,,Y", "no", "", "number is missing"},
		"nothing required":    {"9,,N/A,,Y", "NoiDung", "", "required"},
		"too long":            {"9," + strings.Repeat("a", 4001) + ",,,Y", "what+more", "", "4001 characters, at most 4000"},
		"a control character": {"9,a\x07b,,,Y", "what+more", `"a\ab"`, "control character"},
		"a value too many":    {"9,a,,,Y,1", "", "", "has 6 values where the header has 5 columns"},
		"a value too few":     {"9,a,,", "", "", "has 4 values"},
		"an earlier number":   {"1,a,,,Y", "MaNguon", `"x/1"`, "has the same number as row 2"},
	} {
		report, sink, err := run(t, smallMapping, header+"1,a,,,Y\n"+c.row+"\n2,b,,,N\n")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if report.Rows != 3 || report.Created != 2 || report.Rejected != 1 || len(sink.records) != 2 || len(report.Faults) != 1 {
			t.Errorf("%s: want two rows in and one reported, got %+v", name, report)
			continue
		}
		e := report.Faults[0]
		if e.Row != 3 || e.Column != c.column || !strings.Contains(e.Reason.EN, c.says) || e.Reason.VI == "" {
			t.Errorf("%s: reported as %+v, want column %q and a reason that says %q", name, e, c.column, c.says)
		}
		if c.value != "" && e.Value.Show() != c.value {
			t.Errorf("%s: the value is shown as %s, want %s", name, e.Value.Show(), c.value)
		}
	}
}

// A file that is broken as a file is refused, and the sink hears nothing of it.
func TestBrokenFilesAreRefused(t *testing.T) {
	good := header + "1,a,,,Y\n2,b,,,N\n"
	for name, c := range map[string]struct{ file, says string }{
		"empty":                   {"", "the file is empty"},
		"UTF-16":                  {"\xff\xfen\x00o\x00", "UTF-16"},
		"UTF-16 without a mark":   {"n\x00o\x00,\x00", "row 1: byte 2 (0x00) is not UTF-8"},
		"a workbook":              {"PK\x03\x04\x14\x00", "an Excel workbook"},
		"an old workbook":         {"\xd0\xcf\x11\xe0\xa1", "an Excel workbook"},
		"packed":                  {"\x1f\x8b\x08\x00", "compressed"},
		"TCVN3":                   {header + "1,a,,,Y\n2,Ng\xb8ch,,,N\n", "row 3: byte 40 (0xb8) is not UTF-8"},
		"another delimiter":       {strings.ReplaceAll(good, ",", ";"), `separated by ";"; set delimiter: ";"`},
		"tabs":                    {strings.ReplaceAll(good, ",", "\t"), `set delimiter: "\t"`},
		"another file":            {"a,b\n1,2\n", `no column "no", "public", "opened", "what", "more"; its columns are: "a", "b"`},
		"a column twice":          {"no,what,more,opened,public,what\n1,a,,,Y,b\n", `the column "what" stands twice`},
		"cut in quotation marks":  {header + "1,a,,,Y\n2,\"b", "while a quotation mark (\") is open or out of place: row 3, which begins at line 3"},
		"cut in a row":            {header + "1,a,,,Y\n2,b", "cut off: its last row (3)"},
		"cut in a character":      {header + "1,a,,,Y\n2,b\xe1\xba", "cut off within a character in row 3, at byte 39"},
		"a stray quotation mark":  {header + "1,a\"b\",,,Y\n2,b,,,N\n", "row 2 (line 2, character 4): a quotation mark"},
		"a mark in a quoted text": {header + "1,\"a\"b,,,Y\n2,b,,,N\n", "row 2 (line 2, character"},
		"a row without end":       {header + "1,\"" + strings.Repeat("a\n", imports.MaxRowBytes), "longer than 1048576 bytes"},
		"columns without end":     {strings.Repeat("a,", 2000) + "\n", "2001 columns"},
	} {
		report, sink, err := run(t, smallMapping, c.file)
		if node.CodeOf(err) != node.Invalid || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
		var e *node.Error
		if errors.As(err, &e) && (e.Message.VI == e.Message.EN || strings.Contains(e.Message.VI+e.Message.EN, "%!")) {
			t.Errorf("%s: badly worded: %+v", name, e.Message)
		}
		if report != nil || sink.batches != 0 {
			t.Errorf("%s: something was done: %+v, %d batches", name, report, sink.batches)
		}
	}
}

func TestTooManyRowsAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a million rows: run without -short")
	}
	_, sink, err := run(t, smallMapping, header+strings.Repeat("1,a,,,Y\n", imports.MaxRows+1))
	if node.CodeOf(err) != node.Invalid || !strings.Contains(fmt.Sprint(err), "more than 1000000 rows") || sink.batches != 0 {
		t.Errorf("got %v after %d batches", err, sink.batches)
	}
}

func TestHeaderIsFoundAnyway(t *testing.T) {
	for name, file := range map[string]string{
		"byte order mark":   "\ufeff" + header + "1,a,,,Y\n",
		"CRLF":              strings.ReplaceAll(header+"1,a,,,Y\n", "\n", "\r\n"),
		"spaces":            "no , what,more,opened,public\n1,a,,,Y\n",
		"other columns":     "zzz,no,what,more,opened,public,zzz\n0,1,a,,,Y,0\n",
		"another order":     "what,public,no,opened,more\na,Y,1,,\n",
		"blank lines":       "\n" + header + "\n\n1,a,,,Y\n\n",
		"no end of line":    header + "1,a,,,Y",
		"quoted everywhere": "\"no\",\"what\",\"more\",\"opened\",\"public\"\n\"1\",\"a\",\"\",\"\",\"Y\"\n",
	} {
		report, sink, err := run(t, smallMapping, file)
		if err != nil || report.Created != 1 || sink.records["x/1"]["NoiDung"] != "a" {
			t.Errorf("%s: got %+v, %v, %v", name, report, sink.records, err)
		}
		if report != nil && report.Unended != (name == "no end of line") {
			t.Errorf("%s: unended is %v", name, report.Unended)
		}
	}
}

func TestFileRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	c := collection(t, "petitions")
	for path, says := range map[string]string{dir: "is a directory", filepath.Join(dir, "none.csv"): "there is no file", os.DevNull: "no regular file"} {
		_, err := imports.Plan(t.Context(), imports.File(path), mapping(t, smallMapping), c)
		if node.CodeOf(err) != node.Invalid || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("%s: got %v, want an error that says %q", path, err, says)
		}
	}
}

func TestClockChangesAreRemarkedOn(t *testing.T) {
	report, sink, err := run(t, smallMapping, header+"1,a,,04/11/2012 01:30,Y\n2,b,,11/03/2012 02:30,Y\n")
	if err != nil || report.Created != 2 || report.Doubtful != 2 || len(report.Remarks) != 2 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if got := sink.records["x/1"]["NgayTiepNhan"]; got != int64(1352007000000) {
		t.Errorf("a time that occurred twice was taken as %v, want the first", got)
	}
}

// What the report shows on a terminal it shows nowhere else.
func TestValuesStayOutOfLogs(t *testing.T) {
	report, _, err := run(t, smallMapping, header+"1,a,,secret \x1b[31m,Y\n")
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := report.Print(&printed, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(printed.String(), `row 2, column opened, "secret \x1b[31m"`) {
		t.Errorf("the person who imports doesn't see the value, or sees it raw:\n%s", printed.String())
	}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("import", "report", report, "fault", report.Faults[0], "value", report.Faults[0].Value)
	slog.New(slog.NewTextHandler(&log, nil)).Info("import", "report", report, "fault", report.Faults[0], "value", report.Faults[0].Value)
	fmt.Fprintf(&log, "%v %+v %#v %s %q", report, *report, report.Faults, report.Faults[0].Value, report.Faults[0].Value)
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the value got out:\n%s", log.String())
	}
}

func TestPrintInBothLanguages(t *testing.T) {
	report, _, err := run(t, smallMapping, header+"1,a,,x,Y\n2,b,,,Y\n3,c,,04/11/2012 01:30,Y")
	if err != nil {
		t.Fatal(err)
	}
	for english, want := range map[bool]string{
		false: `petitions: 3 dòng
  mới 2, thay đổi 0, không đổi 0
  không đọc được 1, có đánh dấu 0
Không đọc được:
  dòng 2, cột opened, "x": không phải ngày giờ viết theo dạng dd/MM/yyyy HH:mm
Đã nhận nhưng còn ngờ:
  dòng 4, cột opened, "04/11/2012 01:30": giờ này có hai lần vì đồng hồ lùi lại; đã lấy lần đầu
Chú ý: dòng cuối không có dấu xuống dòng; nếu tệp bị cắt ngang thì giá trị cuối có thể thiếu
`,
		true: `petitions: 3 rows
  new 2, changed 0, unchanged 0
  could not be read 1, flagged 0
Could not be read:
  row 2, column opened, "x": not a date written as dd/MM/yyyy HH:mm
Taken, but doubtful:
  row 4, column opened, "04/11/2012 01:30": the clocks went back and this time occurred twice; the first was taken
Note: the last row has no line end; if the file was cut off, its last value may not be whole
`,
	} {
		var got strings.Builder
		if err := report.Print(&got, english); err != nil || got.String() != want {
			t.Errorf("got\n%s%v\nwant\n%s", got.String(), err, want)
		}
	}
}

// failing takes some batches and then fails, as a full disk does.
type failing struct {
	shelf
	after int
}

func (f *failing) Upsert(ctx context.Context, rows []imports.Row) ([]imports.Outcome, error) {
	if f.batches >= f.after {
		return nil, errors.New("no space left")
	}
	return f.shelf.Upsert(ctx, rows)
}

func rowsOf(n int) string {
	var b strings.Builder
	b.WriteString(header)
	for i := range n {
		fmt.Fprintf(&b, "%d,a,,,Y\n", i)
	}
	return b.String()
}

func TestAFailingSinkStopsAndARunGoesOn(t *testing.T) {
	c := collection(t, "petitions")
	sink := &failing{shelf: *newShelf(c), after: 2}
	report, err := imports.Run(t.Context(), text(rowsOf(300)), mapping(t, smallMapping), c, sink)
	if err == nil || !strings.Contains(err.Error(), "run again to go on") || report.Created == 0 || report.Created != len(sink.records) {
		t.Fatalf("got %+v, %v with %d records in", report, err, len(sink.records))
	}
	in := len(sink.records)
	sink.after = 1 << 30
	report, err = imports.Run(t.Context(), text(rowsOf(300)), mapping(t, smallMapping), c, sink)
	if err != nil || report.Unchanged != in || report.Created != 300-in {
		t.Errorf("the second run did %+v, %v", report, err)
	}
}

// weigher checks what one Save may hold.
type weigher struct {
	shelf
	t *testing.T
}

func (w *weigher) Upsert(ctx context.Context, rows []imports.Row) ([]imports.Outcome, error) {
	size, keys := 0, map[string]bool{}
	for _, r := range rows {
		keys[r.Key] = true
		for name, v := range r.Values {
			f, ok := w.c.Field(name)
			if !ok {
				w.t.Errorf("a value for %s, which is no field", name)
				continue
			}
			size += len(f.Encode(v))
		}
	}
	if len(rows) > imports.MaxBatchRows || len(keys) != len(rows) || (size > imports.MaxBatchSize && len(rows) > 1) {
		w.t.Errorf("a batch of %d rows, %d keys and %d bytes", len(rows), len(keys), size)
	}
	return w.shelf.Upsert(ctx, rows)
}

func TestBatchesFitOneSave(t *testing.T) {
	c := collection(t, "petitions")
	var b strings.Builder
	b.WriteString(header)
	for i := range 400 {
		fmt.Fprintf(&b, "%d,%s,,,Y\n", i, strings.Repeat("ặ", i*10+1))
	}
	sink := &weigher{*newShelf(c), t}
	report, err := imports.Run(t.Context(), text(b.String()), mapping(t, smallMapping), c, sink)
	if err != nil || report.Created != 400 {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestAFileThatChangesMeanwhile(t *testing.T) {
	calls := 0
	open := func() (io.ReadCloser, error) {
		calls++
		return io.NopCloser(strings.NewReader(rowsOf(calls * 3))), nil
	}
	c := collection(t, "petitions")
	_, err := imports.Run(t.Context(), open, mapping(t, smallMapping), c, newShelf(c))
	if node.CodeOf(err) != node.Invalid || !strings.Contains(fmt.Sprint(err), "the file changed") {
		t.Errorf("got %v", err)
	}
}

func TestCancelling(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := collection(t, "petitions")
	sink := newShelf(c)
	if _, err := imports.Run(ctx, text(rowsOf(3)), mapping(t, smallMapping), c, sink); !errors.Is(err, context.Canceled) || sink.batches != 0 {
		t.Errorf("got %v after %d batches", err, sink.batches)
	}
}

// endless is a file of any size that no disk needs to hold.
type endless struct{ row, rows int }

func (e *endless) Read(p []byte) (int, error) {
	if e.row == e.rows {
		return 0, io.EOF
	}
	e.row++
	if e.row == 1 {
		return copy(p, header), nil
	}
	return copy(p, fmt.Sprintf("%d,%s,,20/11/2012 07:50,Y\n", e.row, strings.Repeat("ặb", 90))), nil
}

// measurer remembers the most memory in use, and keeps no records.
type measurer struct {
	rows    int
	batches int
	most    uint64
}

func (m *measurer) Upsert(_ context.Context, rows []imports.Row) ([]imports.Outcome, error) {
	m.rows += len(rows)
	if m.batches++; m.batches%1000 == 0 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		m.most = max(m.most, s.HeapAlloc)
	}
	return make([]imports.Outcome, len(rows)), nil
}

// A file of 100 MB is read in memory that doesn't grow with it, but for the
// numbers that are remembered to find doubles.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100 MB twice: run without -short")
	}
	const rows = 260_000 // of some 390 bytes
	c := collection(t, "petitions")
	sink := &measurer{}
	open := func() (io.ReadCloser, error) { return io.NopCloser(&endless{rows: rows}), nil }
	report, err := imports.Run(t.Context(), open, mapping(t, smallMapping), c, sink)
	if err != nil || sink.rows != rows-1 || report.Created != rows-1 {
		t.Fatalf("%d rows went in, %v", sink.rows, err)
	}
	t.Logf("%d rows, at most %d MiB in use", sink.rows, sink.most>>20)
	if sink.most > 40<<20 {
		t.Errorf("%d MiB in use", sink.most>>20)
	}
}

func TestMappingMistakes(t *testing.T) {
	for name, c := range map[string]struct{ old, new, says string }{
		"unknown key":         {"missing:", "mising:", "map.yaml:3: unknown field"},
		"no collection":       {"collection: petitions\n", "", "collection: name the collection"},
		"another collection":  {"collection: petitions", "collection: dossiers", "the mapping is for \"dossiers\", not for \"petitions\""},
		"no zone":             {"time_zone: America/New_York\n", "", "time_zone: name the time zone"},
		"this machine's zone": {"America/New_York", "Local", "name the time zone"},
		"no such zone":        {"America/New_York", "Vietnam", "map.yaml:2: time_zone: no time zone is called \"Vietnam\""},
		"a path as zone":      {"America/New_York", "../../etc/passwd", "no time zone is called"},
		"no key":              {"key: {from: no, prefix: x/}\n", "", "key: name the column"},
		"delimiter":           {"missing:", "delimiter: \"::\"\nmissing:", "want one of"},
		"no such field":       {"NoiDung:", "Noidung:", "petitions has no field called \"Noidung\"; its fields are MaPhanAnh"},
		"the key's field":     {"  NoiDung:", "  MaNguon: {from: no}\n  NoiDung:", "say how it is made under key"},
		"a column of nothing": {"NoiDung: {from: [what, more], join: \"; \"}", "NoiDung: {}", "say which column it is from"},
		"join of one":         {"[what, more]", "what", "name more than one under from"},
		"no format":           {", format: dd/MM/yyyy HH:mm", "", "map.yaml:7: columns.NgayTiepNhan: the field is a datetime; a date or datetime needs a format"},
		"format":              {"dd/MM/yyyy HH:mm", "DD/MM/yyyy", "a format has the parts"},
		"format of a text":    {"join: \"; \"", "format: dd/MM/yyyy", "nothing else has one"},
		"split of a text":     {"join: \"; \"", "split: \";\"", "only a list is split"},
		"code that isn't":     {`Y: "true"`, `Y: "yes"`, "codes: \"yes\": yes or no is wanted"},
		"constant":            {"TrangThai: received", "TrangThai: 5", "constants.TrangThai: a text is wanted"},
		"constant of no one":  {"TrangThai: received", "Trang: received", "constants.Trang: petitions has no field"},
		"constant and column": {"TrangThai: received", "NoiDung: received", "the field has a column already"},
		"from a number":       {"from: [what, more]", "from: {a: b}", "map.yaml:6"},
	} {
		if !strings.Contains(smallMapping, c.old) {
			t.Fatalf("%s: the mapping has no %q", name, c.old)
		}
		m, err := imports.ReadMapping("map.yaml", []byte(strings.Replace(smallMapping, c.old, c.new, 1)))
		if err == nil {
			_, err = imports.Plan(t.Context(), text(header), m, collection(t, "petitions"))
		}
		if node.CodeOf(err) != node.Invalid || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
	}
}

// A collection of code items takes a list, with a key of two columns.
func TestCodeItemsAreImported(t *testing.T) {
	c := collection(t, "code_items")
	sink := newShelf(c)
	m := mapping(t, `collection: code_items
time_zone: Asia/Ho_Chi_Minh
delimiter: ";"
key: {from: [list, code]}
columns:
  DanhSach: {from: list}
  Ma: {from: code}
  TenVI: {from: name}
  TuNgay: {from: since, format: dd/MM/yyyy}
`)
	report, err := imports.Run(t.Context(), text("list;code;name;since\nLinhVuc;G09;Hộ tịch;01/07/2025\nLinhVuc;;thiếu mã;\nTrangThaiHoSo;11;đóng;\n"), m, c, sink)
	if err != nil || report.Created != 1 || report.Rejected != 2 {
		t.Fatalf("got %+v, %v", report, err)
	}
	want := map[string]any{"Khoa": "LinhVuc/G09", "DanhSach": "LinhVuc", "Ma": "G09", "TenVI": "Hộ tịch", "TuNgay": "2025-07-01"}
	if got := sink.records["LinhVuc/G09"]; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestListsAndNumbers(t *testing.T) {
	base := os.DirFS("testdata")
	p, err := schema.Load(base)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := p.Collection("things")
	sink := newShelf(c)
	m := mapping(t, `collection: things
time_zone: UTC
key: {from: id}
columns:
  Size: {from: size}
  Parts: {from: parts, split: "|", codes: {A: "1"}}
  When: {from: when, format: yyyy-MM-ddTHH:mm:ssXXX}
`)
	report, err := imports.Run(t.Context(), text("id,size,parts,when\na,12,A| 2,2026-11-23T09:30:00+07:00\nb,1.5,A,\nc,012,A,\nd,,3,\n"), m, c, sink)
	if err != nil || report.Created != 1 || report.Rejected != 3 {
		t.Fatalf("got %+v, %v", report, err)
	}
	want := map[string]any{"ID": "a", "Size": int64(12), "Parts": []string{"1", "2"}, "When": int64(1795401000000)}
	if got := sink.records["a"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// Whatever the file, every row is accounted for and nothing is sent that a plan
// refuses.
func FuzzRun(f *testing.F) {
	f.Add(header + "1,a,,,Y\n")
	f.Add(header + "1,\"a\n\"\"b\",,20/11/2012 07:50,Y\n2,b")
	f.Add("\ufeff" + header + "1,ặ,,,Y\r\n1,a,,,Y\n")
	f.Add("no;what;more;opened;public\n")
	m, c := mapping(f, smallMapping), collection(f, "petitions")
	f.Fuzz(func(t *testing.T, file string) {
		planned, planErr := imports.Plan(context.Background(), text(file), m, c)
		sink := newShelf(c)
		report, err := imports.Run(context.Background(), text(file), m, c, sink)
		if (planErr == nil) != (err == nil) {
			t.Fatalf("planned: %v; run: %v", planErr, err)
		}
		if err != nil {
			if sink.batches > 0 || report != nil || planned != nil {
				t.Fatal("something was done with a broken file")
			}
			return
		}
		if report.Created+report.Rejected != report.Rows || report.Rows != planned.Rows || len(sink.records) != report.Created {
			t.Fatalf("rows are not accounted for: %+v", report)
		}
		if err := report.Print(io.Discard, true); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReadMapping(f *testing.F) {
	f.Add(smallMapping)
	f.Add("collection: petitions\ntime_zone: UTC\nkey: {from: a}\n")
	f.Add("columns: {A: {from: []}}")
	c := collection(f, "petitions")
	f.Fuzz(func(t *testing.T, file string) {
		m, err := imports.ReadMapping("map.yaml", []byte(file))
		if err != nil {
			return
		}
		_, _ = imports.Plan(context.Background(), text(header+"1,a,,,Y\n"), m, c)
	})
}
