package imports

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
)

// Plan reads the whole file and writes nothing. The report counts the rows, what
// can't be read, and what the rows by themselves would be flagged for. A broken
// file or a mapping that doesn't fit is an error of code node.Invalid, and there
// is no report.
func Plan(ctx context.Context, open Opener, m *Mapping, c *schema.Collection) (*Report, error) {
	v, err := m.bind(c)
	if err != nil {
		return nil, err
	}
	report, _, err := v.plan(ctx, open)
	return report, err
}

// Run plans and, if nothing is wrong with the file as a whole, sends its rows to
// the sink. When the sink fails, the report says how far it got and the error
// why; what is in stays, and running again goes on from there.
func Run(ctx context.Context, open Opener, m *Mapping, c *schema.Collection, sink Sink) (*Report, error) {
	v, err := m.bind(c)
	if err != nil {
		return nil, err
	}
	_, planned, err := v.plan(ctx, open)
	if err != nil {
		return nil, err
	}
	b := &batcher{v: v, sink: sink, report: newReport(c)}
	sum, err := v.read(ctx, open, b.report, func(r Row) error { return b.add(ctx, r) })
	if err == nil {
		err = b.flush(ctx)
	}
	if err == nil && !bytes.Equal(sum, planned) {
		err = refuse("tệp đã thay đổi trong khi nhập; hãy nhập lại khi không ai ghi vào nó", "the file changed while it was imported; run again when nobody writes to it")
	}
	return b.report, err
}

func (v *converter) plan(ctx context.Context, open Opener) (*Report, []byte, error) {
	report := newReport(v.collection)
	sum, err := v.read(ctx, open, report, func(r Row) error {
		report.flag(r.Number, v.collection.Flags(r.Values))
		return nil
	})
	if err != nil {
		return nil, nil, nothingWentIn(err)
	}
	return report, sum, nil
}

// nothingWentIn says of a file that is refused as a whole that it has changed nothing.
func nothingWentIn(err error) error {
	var e *node.Error
	if !errors.As(err, &e) || e.Code != node.Invalid {
		return err
	}
	said := *e
	said.Message.VI += ". Chưa dòng nào của tệp được ghi."
	said.Message.EN += "; nothing of the file went in"
	return &said
}

// read gives every row that can be read to emit, reports the others, and returns
// the file's digest.
func (v *converter) read(ctx context.Context, open Opener, report *Report, emit func(Row) error) (sum []byte, err error) {
	file, err := open()
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	rs, err := newRows(file, v.m.comma, v.m.wanted())
	if err != nil {
		return nil, err
	}
	seen := map[[12]byte]int32{}
	for {
		record, err := rs.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		row, faults, remarks := v.judge(rs, record, seen)
		if report.count(row.Number, faults, remarks); len(faults) > 0 {
			continue
		}
		if err := emit(row); err != nil {
			return nil, err
		}
	}
	report.Unended = !rs.ended()
	return rs.guard.sum.Sum(nil), nil
}

// judge makes a row of the file's, or says why not. seen holds the first row of
// every key, by a digest of it.
func (v *converter) judge(rs *rows, record []string, seen map[[12]byte]int32) (Row, []fault, []fault) {
	if len(record) != rs.width {
		what := node.Text{
			VI: fmt.Sprintf("có %d giá trị mà dòng đầu có %d cột; có lẽ một dấu ngăn cách nằm trong giá trị mà không có ngoặc kép", len(record), rs.width),
			EN: fmt.Sprintf("has %d values where the header has %d columns; perhaps a delimiter stands in a value without quotation marks", len(record), rs.width),
		}
		return Row{Number: rs.number}, []fault{{reason: what}}, nil
	}
	row, faults, remarks := v.row(record, rs.column)
	row.Number = rs.number
	if row.Key == "" {
		return row, faults, remarks
	}
	digest := [12]byte(sha256Of(row.Key))
	if first, ok := seen[digest]; ok {
		faults = append(faults, fault{column: v.key.Name, value: row.Key, reason: node.Text{
			VI: fmt.Sprintf("trùng mã với dòng %d; hãy giữ một dòng", first),
			EN: fmt.Sprintf("has the same number as row %d; keep one of them", first),
		}})
		return row, faults, remarks
	}
	seen[digest] = int32(rs.number)
	return row, faults, remarks
}

func sha256Of(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:12]
}

// batcher gathers rows into batches that fit one Save.
type batcher struct {
	v      *converter
	sink   Sink
	report *Report
	rows   []Row
	size   int
}

func (b *batcher) add(ctx context.Context, r Row) error {
	size := b.v.size(r)
	if len(b.rows) == MaxBatchRows || (len(b.rows) > 0 && b.size+size > MaxBatchSize) {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	b.rows = append(b.rows, r)
	b.size += size
	return nil
}

func (b *batcher) flush(ctx context.Context) error {
	if len(b.rows) == 0 {
		return nil
	}
	first, last := b.rows[0].Number, b.rows[len(b.rows)-1].Number
	outcomes, err := b.sink.Upsert(ctx, b.rows)
	if err != nil {
		return fmt.Errorf("save rows %d to %d (those before are in; run again to go on): %w", first, last, err)
	}
	if len(outcomes) != len(b.rows) {
		return fmt.Errorf("save rows %d to %d: %d answers to %d rows", first, last, len(outcomes), len(b.rows))
	}
	for i, o := range outcomes {
		b.report.outcome(b.rows[i].Number, o)
	}
	b.rows, b.size = nil, 0
	return nil
}
