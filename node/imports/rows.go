package imports

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// rows reads the rows of a file whose header has the columns that are wanted.
type rows struct {
	guard  *guard
	csv    *csv.Reader
	width  int            // columns of the header
	column map[string]int // place of each column that is wanted
	number int            // rows read, the header among them
	short  bool           // the last row had fewer values than the header
}

func newRows(r io.Reader, comma rune, wanted []string) (*rows, error) {
	g, err := newGuard(r)
	if err != nil {
		return nil, err
	}
	rs := &rows{guard: g, csv: csv.NewReader(g)}
	rs.csv.Comma = comma
	rs.csv.FieldsPerRecord = -1
	header, err := rs.read()
	if errors.Is(err, io.EOF) {
		return nil, refuse("tệp không có dòng nào; hãy xuất lại từ hệ thống nguồn", "the file has no rows; export it again from its source")
	}
	if err != nil {
		return nil, err
	}
	rs.width = len(header)
	rs.column, err = locate(header, comma, wanted)
	rs.csv.ReuseRecord = true
	return rs, err
}

// next gives the next row. It is valid until the next call. At the end it gives
// io.EOF, unless the file seems to have been cut off.
func (r *rows) next() ([]string, error) {
	record, err := r.read()
	if errors.Is(err, io.EOF) && r.short && r.guard.last != '\n' {
		return nil, refuse("tệp bị cắt ngang: dòng cuối (%[1]d) thiếu giá trị và không có dấu xuống dòng; hãy xuất hoặc chép lại tệp",
			"the file is cut off: its last row (%[1]d) lacks values and a line end; export or copy it again", r.number)
	}
	if err == nil {
		r.short = len(record) < r.width
	}
	if r.number > MaxRows+1 {
		return nil, refuse("tệp có hơn %[1]d dòng; hãy chia nhỏ", "the file has more than %[1]d rows; split it", MaxRows)
	}
	return record, err
}

// ended says that the last row ended as rows do. One that has all its values but
// no line end may have lost the rest of its last value.
func (r *rows) ended() bool { return r.guard.last == '\n' }

func (r *rows) read() ([]string, error) {
	r.guard.limit = r.csv.InputOffset() + MaxRowBytes
	record, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, err
	}
	r.number++
	if err != nil {
		return nil, r.broken(err)
	}
	return record, nil
}

// broken says what a reader's error means to a person.
func (r *rows) broken(err error) error {
	var parse *csv.ParseError
	var text *notTextError
	switch {
	case errors.As(err, &text) && text.cut:
		return refuse("tệp bị cắt ngang giữa một ký tự ở dòng %[1]d, byte thứ %[2]d; hãy xuất hoặc chép lại tệp",
			"the file is cut off within a character in row %[1]d, at byte %[2]d; export or copy it again", r.number, text.offset)
	case errors.As(err, &text):
		return refuse("dòng %[1]d: byte thứ %[2]d (0x%02[3]x) không phải UTF-8; hãy mở tệp trong phần mềm đã tạo ra nó và lưu lại dạng “CSV UTF-8”",
			"row %[1]d: byte %[2]d (0x%02[3]x) is not UTF-8; open the file where it was made and save it as “CSV UTF-8”", r.number, text.offset, text.b)
	case errors.Is(err, errRowTooLong):
		return refuse("dòng %[1]d dài hơn %[2]d byte; có lẽ một dấu ngoặc kép (\") ở đó không được đóng; hãy sửa hoặc xuất lại tệp",
			"row %[1]d is longer than %[2]d bytes; perhaps a quotation mark (\") in it is never closed; mend it or export the file again", r.number, MaxRowBytes)
	case errors.As(err, &parse) && errors.Is(r.guard.err, io.EOF) && r.csv.InputOffset() == r.guard.passed:
		return refuse("tệp kết thúc khi dấu ngoặc kép (\") chưa đóng: dòng %[1]d, bắt đầu ở hàng %[2]d, ký tự %[3]d của hàng %[4]d; tệp có thể bị cắt ngang, hãy xuất hoặc chép lại",
			"the file ends while a quotation mark (\") is open or out of place: row %[1]d, which begins at line %[2]d, character %[3]d of line %[4]d; it may be cut off, export or copy it again", r.number, parse.StartLine, parse.Column, parse.Line)
	case errors.As(err, &parse):
		return refuse("dòng %[1]d (hàng %[2]d của tệp, cột chữ %[3]d): dấu ngoặc kép (\") đặt sai chỗ; trong giá trị phải viết hai dấu liền nhau",
			"row %[1]d (line %[2]d, character %[3]d): a quotation mark (\") out of place; within a value it is written twice", r.number, parse.Line, parse.Column)
	}
	return fmt.Errorf("read the file at row %d: %w", r.number, err)
}

// locate finds the columns that are wanted in the header.
func locate(header []string, comma rune, wanted []string) (map[string]int, error) {
	if len(header) > MaxColumns {
		return nil, refuse("tệp có %[1]d cột, tối đa %[2]d", "the file has %[1]d columns, at most %[2]d are read", len(header), MaxColumns)
	}
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = clean(h)
	}
	column, missing := map[string]int{}, []string{}
	for _, w := range wanted {
		i := slices.Index(names, w)
		if i < 0 {
			missing = append(missing, w)
			continue
		}
		if slices.Contains(names[i+1:], names[i]) {
			return nil, refuse("cột %[1]q có hai lần trong dòng đầu; hãy đổi tên một cột", "the column %[1]q stands twice in the header; rename one", w)
		}
		column[w] = i
	}
	if len(missing) > 0 {
		return nil, noColumns(header, comma, wanted, missing)
	}
	return column, nil
}

// noColumns names what is missing, and the delimiter that would explain it.
func noColumns(header []string, comma rune, wanted, missing []string) error {
	line := strings.Join(header, string(comma))
	for _, other := range []rune{',', ';', '\t', '|'} {
		if other != comma && hasAll(strings.Split(line, string(other)), wanted) {
			return refuse("các cột của tệp được ngăn bằng %[1]s; hãy đặt delimiter: %[1]s trong tệp ánh xạ",
				"the file's columns are separated by %[1]s; set delimiter: %[1]s in the mapping", delimiters[other])
		}
	}
	return refuse("tệp không có cột %[1]s; các cột đang có: %[2]s; hãy sửa tệp ánh xạ hoặc chọn đúng tệp",
		"the file has no column %[1]s; its columns are: %[2]s; mend the mapping or choose the right file", quoted(missing), quoted(header))
}

// clean is the form in which columns are compared.
func clean(name string) string { return norm.NFC.String(strings.TrimSpace(name)) }

func hasAll(names, wanted []string) bool {
	for i, n := range names {
		names[i] = clean(strings.Trim(strings.TrimSpace(n), `"`))
	}
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(names, w) })
}

// quoted lists the first names for a message, each bounded.
func quoted(names []string) string {
	const shown = 30
	var out []string
	for _, n := range names[:min(shown, len(names))] {
		out = append(out, fmt.Sprintf("%.60q", n))
	}
	if len(names) > shown {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}
