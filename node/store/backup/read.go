package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lukechampine.com/blake3"

	"github.com/vungxa/vungxa/node"
)

// Items calls f with every item of a backup, in order. Each part is authenticated
// before any of it is given; one that is missing or damaged ends it with an error.
// The slices are f's only until it returns.
func (s *Set) Items(ctx context.Context, m *Manifest, f func(key, value []byte) error) error {
	r := reader{f: f}
	i := 0
	for row := range m.rows() {
		i++
		if err := ctx.Err(); err != nil {
			return err
		}
		plain, err := s.readPart(row)
		if err == nil {
			err = r.part(plain)
		}
		if err != nil {
			return partError(i, m, err)
		}
	}
	if r.items != m.Items {
		return node.Errorf(node.Damaged, "Bản sao lưu số %d có %d mẩu dữ liệu, phải là %d. Hãy dùng một bản khác (`vungxa restore --number`).", "backup %d holds %d items and should hold %d; use another one (`vungxa restore --number`)", m.Number, r.items, m.Items)
	}
	return nil
}

// stop is wrapped by errors of f, so that they are not told as damage.
type stop struct{ error }

func (s stop) Unwrap() error { return s.error }

func partError(i int, m *Manifest, err error) error {
	var stopped stop
	if errors.As(err, &stopped) {
		return stopped.error
	}
	if errors.Is(err, fs.ErrNotExist) {
		return node.Errorf(node.Damaged,
			"Bản sao lưu số %[3]d thiếu phần %[1]d/%[2]d. Hãy dùng một bản khác (`vungxa restore --number`), hoặc một bản chép khác của thư mục này.",
			"part %d of %d of backup %d is missing; use another backup (`vungxa restore --number`), or another copy of this directory", i, m.Parts, m.Number)
	}
	return &node.Error{Code: node.Damaged, Err: err, Message: node.Text{
		VI: fmt.Sprintf("Phần %d/%d của bản sao lưu số %d bị hỏng. Hãy dùng một bản khác (`vungxa restore --number`), hoặc một bản chép khác của thư mục này.", i, m.Parts, m.Number),
		EN: fmt.Sprintf("part %d of %d of backup %d is damaged; use another backup (`vungxa restore --number`), or another copy of this directory", i, m.Parts, m.Number),
	}}
}

// Present says whether all parts of a backup are there in their length, without
// reading them: what can be told before anything is begun.
func (s *Set) Present(m *Manifest) error {
	i := 0
	for row := range m.rows() {
		i++
		info, err := os.Stat(s.partFile(row.name))
		if err == nil && info.Size() != int64(row.sealed) {
			err = errPart
		}
		if err != nil {
			return partError(i, m, err)
		}
	}
	return nil
}

func (s *Set) readPart(row part) ([]byte, error) {
	b, err := os.ReadFile(s.partFile(row.name))
	if err != nil {
		return nil, err
	}
	return s.openPart(row, b)
}

// reader walks items and sees to their order.
type reader struct {
	f     func(key, value []byte) error
	last  []byte
	items uint64
}

func (r *reader) part(b []byte) error {
	for len(b) > 0 {
		key, value, rest, err := nextItem(b)
		if err != nil {
			return err
		}
		if r.items > 0 && string(key) <= string(r.last) {
			return node.Errorf(node.Damaged, "dữ liệu trong đó sai thứ tự", "its items are out of order")
		}
		r.last, b = append(r.last[:0], key...), rest
		r.items++
		if err := r.f(key, value); err != nil {
			return stop{err}
		}
	}
	return nil
}

// Problem is something wrong with a set.
type Problem struct {
	Number uint64    `json:"number"` // of the backup
	Where  string    `json:"where"`
	What   node.Text `json:"what"`
}

// Check reads everything that a backup consists of and tells found of what is wrong.
// Parts that checked has are passed over; nil checks all.
func (s *Set) Check(ctx context.Context, m *Manifest, checked map[Digest]bool, found func(Problem)) error {
	i, r := 0, reader{f: func(_, _ []byte) error { return nil }}
	whole := true
	for row := range m.rows() {
		i++
		if err := ctx.Err(); err != nil {
			return err
		}
		if checked[row.name] {
			whole = false // its items are not counted again
			continue
		}
		plain, err := s.readPart(row)
		if err == nil {
			err = r.part(plain)
		}
		if err != nil {
			whole = false
			found(Problem{m.Number, fmt.Sprintf("%d/%d %s", i, m.Parts, s.shortName(row.name)), node.Reason(partError(i, m, err))})
			continue
		}
		if checked != nil {
			checked[row.name] = true
		}
	}
	if whole && r.items != m.Items {
		found(Problem{m.Number, "", node.Text{
			VI: fmt.Sprintf("Bản sao lưu có %d mẩu dữ liệu, phải là %d.", r.items, m.Items),
			EN: fmt.Sprintf("the backup holds %d items and should hold %d", r.items, m.Items),
		}})
	}
	return nil
}

func (s *Set) shortName(name Digest) string {
	text := hex.EncodeToString(name[:4])
	return filepath.Join(dirParts, text[:2], text[2:]+"…")
}

// CheckAll checks every backup of the set, and that each follows the one before.
func (s *Set) CheckAll(ctx context.Context, found func(Problem)) (backups int, err error) {
	numbers, err := s.Manifests()
	if err != nil {
		return 0, err
	}
	checked := map[Digest]bool{}
	for i, n := range numbers {
		m, err := s.Manifest(n)
		if err != nil {
			found(Problem{n, filepath.Base(s.manifestFile(n)), node.Reason(err)})
			continue
		}
		if err := s.follows(m, numbers[:i]); err != nil {
			found(Problem{n, filepath.Base(s.manifestFile(n)), node.Reason(err)})
		}
		if err := s.Check(ctx, m, checked, found); err != nil {
			return len(numbers), err
		}
	}
	return len(numbers), nil
}

// follows says whether a backup names the one before it, where that is still there.
func (s *Set) follows(m *Manifest, before []uint64) error {
	if len(before) == 0 {
		return nil // older ones have expired
	}
	previous := before[len(before)-1]
	b, err := os.ReadFile(s.manifestFile(previous))
	if err != nil {
		return fmt.Errorf("read backup %d: %w", previous, err)
	}
	if previous != m.Number-1 || blake3.Sum256(b) != m.Previous {
		return node.Errorf(node.Damaged, "Bản sao lưu số %d không nối tiếp bản số %d: một bản ở giữa đã mất hoặc bị thay.",
			"backup %d does not follow backup %d: one between them is lost or was replaced", m.Number, previous)
	}
	return nil
}

// Expire removes all but the newest backups, and the parts that no other needs.
func (s *Set) Expire(keep int) (removed int, err error) {
	numbers, err := s.Manifests()
	if err != nil {
		return 0, err
	}
	needed := map[string]bool{}
	old := numbers[:max(0, len(numbers)-max(1, keep))]
	for _, n := range numbers[len(old):] {
		m, err := s.Manifest(n)
		if err != nil {
			return 0, err // what it needs is not known: nothing is removed
		}
		for row := range m.rows() {
			needed[s.partFile(row.name)] = true
		}
	}
	for _, n := range old {
		if err := os.Remove(s.manifestFile(n)); err != nil {
			return 0, fmt.Errorf("remove backup %d: %w", n, err)
		}
	}
	return s.removeParts(needed)
}

func (s *Set) removeParts(needed map[string]bool) (removed int, err error) {
	err = filepath.WalkDir(filepath.Join(s.dir, dirParts), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || needed[name] || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		removed++
		return os.Remove(name)
	})
	if err != nil {
		return removed, fmt.Errorf("remove parts that no backup needs: %w", err)
	}
	return removed, nil
}
