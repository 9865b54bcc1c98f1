package imports

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vungxa/vungxa/node"
)

// Opener opens the file from its beginning. It is called twice.
type Opener func() (io.ReadCloser, error)

// File opens a file by its path. What is no regular file can't be read twice,
// and is refused.
func File(path string) Opener {
	return func() (io.ReadCloser, error) {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, refuse("không có tệp %[1]s; hãy xem lại đường dẫn", "there is no file %[1]s; look at its path", path)
		}
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return nil, refuse("%[1]s là một thư mục; hãy nêu tên một tệp CSV trong đó", "%[1]s is a directory; name a CSV file in it", path)
		}
		if ext := strings.ToLower(filepath.Ext(path)); slices.Contains(workbooks, ext) {
			return nil, refuse("tên %[1]s là của một bảng tính (%[2]s), không phải CSV; hãy mở ra và lưu thành “CSV UTF-8”", "%[1]s has the name of a workbook (%[2]s), not of CSV; open it and save it as “CSV UTF-8”", path, ext)
		}
		if !info.Mode().IsRegular() {
			return nil, refuse("%[1]s không phải tệp thường; hãy lưu dữ liệu thành tệp rồi nhập", "%[1]s is no regular file; save the data as a file first", path)
		}
		return os.Open(path)
	}
}

// workbooks are endings of what people export by mistake.
var workbooks = []string{".xlsx", ".xls", ".xlsm", ".ods"}

// refuse is the error of a file that can't be imported.
func refuse(vi, en string, args ...any) error {
	return node.Errorf(node.Invalid, vi, en, args...)
}

// guard passes a file on as long as it is UTF-8 text in rows of bounded length,
// and knows how far it has got.
type guard struct {
	r      *bufio.Reader
	buf    [32 << 10]byte
	ready  []byte // of buf: judged, not yet passed on
	tail   []byte // of buf: the beginning of a character whose rest is still to come
	err    error  // what follows ready
	judged int64  // bytes of the file judged to be text
	passed int64  // bytes passed on
	limit  int64  // how far may be passed on before the present row ends
	last   byte   // the last byte passed on
	sum    hash.Hash
}

// newGuard looks at the first bytes for what is plainly no CSV.
func newGuard(r io.Reader) (*guard, error) {
	g := &guard{r: bufio.NewReader(r), sum: sha256.New()}
	head, err := g.r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case len(head) == 0:
		return nil, refuse("tệp trống; hãy xuất lại từ hệ thống nguồn", "the file is empty; export it again from its source")
	case begins("\xff\xfe"), begins("\xfe\xff"):
		return nil, refuse("tệp ở dạng UTF-16; hãy lưu lại dạng “CSV UTF-8”", "the file is UTF-16; save it as “CSV UTF-8”")
	case begins("PK\x03\x04"), begins("\xd0\xcf\x11\xe0"):
		return nil, refuse("đây là bảng tính Excel, không phải CSV; hãy mở ra và lưu thành “CSV UTF-8”", "this is an Excel workbook, not CSV; open it and save it as “CSV UTF-8”")
	case begins("\x1f\x8b"):
		return nil, refuse("tệp đang nén; hãy giải nén trước", "the file is compressed; unpack it first")
	case begins("\xef\xbb\xbf"):
		n, err := g.r.Discard(3)
		g.judged = int64(n)
		return g, err
	}
	return g, nil
}

func (g *guard) Read(p []byte) (int, error) {
	for len(g.ready) == 0 {
		if g.err != nil {
			return 0, g.err
		}
		g.fill()
	}
	if g.passed >= g.limit {
		return 0, errRowTooLong
	}
	n := copy(p, g.ready)
	g.ready = g.ready[n:]
	g.passed += int64(n)
	g.last = p[n-1]
	return n, nil
}

var errRowTooLong = errors.New("row too long")

// fill reads and judges the next piece.
func (g *guard) fill() {
	kept := copy(g.buf[:], g.tail)
	n, err := g.r.Read(g.buf[kept:])
	g.sum.Write(g.buf[kept : kept+n])
	data := g.buf[:kept+n]
	good := textPrefix(data)
	g.ready, g.tail, g.err = data[:good], data[good:], err
	g.judged += int64(good)
	switch whole := len(g.tail) > 0 && (g.tail[0] == 0 || utf8.FullRune(g.tail)); {
	case whole:
		g.err = &notTextError{offset: g.judged + 1, b: g.tail[0]}
	case len(g.tail) > 0 && errors.Is(err, io.EOF):
		g.err = &notTextError{offset: g.judged + 1, b: g.tail[0], cut: true}
	}
}

// textPrefix is how many bytes of b are whole characters other than NUL.
func textPrefix(b []byte) int {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if utf8.Valid(b) {
		return len(b)
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// notTextError is a byte that no UTF-8 text has there, offset counted from 1, or
// a character that the end of the file cuts.
type notTextError struct {
	offset int64
	b      byte
	cut    bool
}

func (e *notTextError) Error() string {
	return fmt.Sprintf("byte %d (0x%02x) is not UTF-8 text", e.offset, e.b)
}
