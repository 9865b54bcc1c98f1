package imports

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
)

// Bounds of what a report lists; it counts everything.
const (
	MaxListed   = 100 // rejected values, and remarks
	maxExamples = 10  // rows named for a check
	maxShown    = 80  // characters of a value
)

// Report says what an import did, or, from [Plan], what it read.
type Report struct {
	Rows      int // rows after the header
	Created   int
	Changed   int
	Unchanged int
	Rejected  int // rows that could not be read

	Flagged     map[string]int   // records flagged, by check
	FlaggedRows int              // records with any flag
	Examples    map[string][]int // the first rows of each check

	Faults  []RowError // why rows were rejected: the first MaxListed
	Remarks []RowError // doubtful values that were taken: the first MaxListed
	// Doubtful counts all values that Remarks lists the first of.
	Doubtful int
	// Unended says that the file's last row has no line end: if the file was cut
	// off, its last value is not whole.
	Unended bool

	collection string
	checks     map[string]node.Text
}

// RowError is one value that could not be read, or is doubtful.
type RowError struct {
	Row    int    // as a spreadsheet counts: the header is row 1
	Column string // of the file; empty when it concerns the whole row
	Value  Private
	Reason node.Text
}

// Private is a value of the file. It may be personal, so it shows itself only
// where Show is called: on the terminal of the person who runs the import.
type Private struct{ text string }

// Show is the value, quoted and cut to some 80 characters, so that it can do
// nothing to a terminal.
func (p Private) Show() string {
	if r := []rune(p.text); len(r) > maxShown {
		return fmt.Sprintf("%q…", string(r[:maxShown]))
	}
	return fmt.Sprintf("%q", p.text)
}

const hidden = "(hidden)"

// String, GoString, LogValue and MarshalText all hide the value.
func (Private) String() string               { return hidden }
func (Private) GoString() string             { return hidden }
func (Private) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Private) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue is the report for a log: counts, no values.
func (r *Report) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("rows", r.Rows), slog.Int("created", r.Created), slog.Int("changed", r.Changed),
		slog.Int("unchanged", r.Unchanged), slog.Int("rejected", r.Rejected), slog.Int("flagged", r.FlaggedRows))
}

func newReport(c *schema.Collection) *Report {
	r := &Report{Flagged: map[string]int{}, Examples: map[string][]int{}, collection: c.ID, checks: map[string]node.Text{}}
	for _, k := range c.Checks {
		r.checks[k.ID] = k.Message
	}
	return r
}

// count notes a row that was read, or could not be.
func (r *Report) count(row int, faults, remarks []fault) {
	r.Rows++
	if len(faults) > 0 {
		r.Rejected++
		r.Faults = list(r.Faults, row, faults)
		return
	}
	r.Doubtful += len(remarks)
	r.Remarks = list(r.Remarks, row, remarks)
}

func list(to []RowError, row int, faults []fault) []RowError {
	for _, f := range faults[:min(len(faults), MaxListed-len(to))] {
		to = append(to, RowError{Row: row, Column: f.column, Value: Private{f.value}, Reason: f.reason})
	}
	return to
}

func (r *Report) outcome(row int, o Outcome) {
	switch o.State {
	case Created:
		r.Created++
	case Changed:
		r.Changed++
	case Unchanged:
		r.Unchanged++
	case Refused:
		r.Rejected++
		r.Faults = list(r.Faults, row, []fault{{reason: o.Reason}})
		return
	}
	r.flag(row, o.Flags)
}

func (r *Report) flag(row int, flags []schema.Flag) {
	if len(flags) > 0 {
		r.FlaggedRows++
	}
	for _, f := range flags {
		r.Flagged[f.Check]++
		if len(r.Examples[f.Check]) < maxExamples {
			r.Examples[f.Check] = append(r.Examples[f.Check], row)
		}
	}
}

// Print writes the report for a person, in Vietnamese or English. It shows
// values: write it to their terminal, never to a log.
func (r *Report) Print(w io.Writer, english bool) error {
	say := func(t node.Text) string {
		if english {
			return t.EN
		}
		return t.VI
	}
	p := &printer{w: w, say: say}
	p.line(node.Text{VI: "%[2]s: %[1]d dòng", EN: "%[2]s: %[1]d rows"}, r.Rows, r.collection)
	if r.Created+r.Changed+r.Unchanged > 0 {
		p.line(node.Text{VI: "  mới %d, thay đổi %d, không đổi %d", EN: "  new %d, changed %d, unchanged %d"}, r.Created, r.Changed, r.Unchanged)
	}
	p.line(node.Text{VI: "  không đọc được %d, có đánh dấu %d", EN: "  could not be read %d, flagged %d"}, r.Rejected, r.FlaggedRows)
	for _, check := range slices.Sorted(maps.Keys(r.Flagged)) {
		p.line(node.Text{VI: "  %d × %s (dòng %s)", EN: "  %d × %s (row %s)"}, r.Flagged[check], say(r.checks[check]), rowList(r.Examples[check], r.Flagged[check]))
	}
	p.errors(node.Text{VI: "Không đọc được:", EN: "Could not be read:"}, r.Faults, 0)
	p.errors(node.Text{VI: "Đã nhận nhưng còn ngờ:", EN: "Taken, but doubtful:"}, r.Remarks, r.Doubtful-len(r.Remarks))
	if r.Unended {
		p.line(node.Text{VI: "Chú ý: dòng cuối không có dấu xuống dòng; nếu tệp bị cắt ngang thì giá trị cuối có thể thiếu", EN: "Note: the last row has no line end; if the file was cut off, its last value may not be whole"})
	}
	return p.err
}

func rowList(rows []int, total int) string {
	s := strings.Trim(strings.ReplaceAll(fmt.Sprint(rows), " ", ", "), "[]")
	if total > len(rows) {
		s += ", …"
	}
	return s
}

// printer keeps the first error of writing.
type printer struct {
	w   io.Writer
	say func(node.Text) string
	err error
}

func (p *printer) line(format node.Text, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, p.say(format)+"\n", args...)
	}
}

func (p *printer) errors(title node.Text, list []RowError, more int) {
	if len(list) == 0 {
		return
	}
	p.line(title)
	for _, e := range list {
		at := p.say(node.Text{VI: fmt.Sprintf("dòng %d", e.Row), EN: fmt.Sprintf("row %d", e.Row)})
		if e.Column != "" {
			at += p.say(node.Text{VI: ", cột ", EN: ", column "}) + e.Column
		}
		if e.Value.text != "" {
			at += ", " + e.Value.Show()
		}
		p.line(node.Text{VI: "  %s: %s", EN: "  %s: %s"}, at, p.say(e.Reason))
	}
	if more > 0 || len(list) == MaxListed {
		p.line(node.Text{VI: "  … chỉ kể %d giá trị đầu", EN: "  … only the first %d values are listed"}, len(list))
	}
}
