package node

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// causes are what operating systems and Go say most, as people read it here. The
// first that a cause is counts.
var causes = []struct {
	is   error
	says string
}{
	{fs.ErrPermission, "không có quyền"},
	{fs.ErrNotExist, "không có ở đó"},
	{fs.ErrExist, "đã có"},
	{syscall.ENOSPC, "đĩa đã hết chỗ"},
	{syscall.EROFS, "đĩa chỉ cho đọc"},
	{syscall.EIO, "đĩa không đọc hoặc không ghi được"},
	{syscall.EISDIR, "là một thư mục"},
	{syscall.ENOTDIR, "không phải thư mục"},
	{syscall.ECONNREFUSED, "không ai nhận kết nối"},
	{syscall.EADDRINUSE, "cổng đang có chương trình khác dùng"},
	{context.Canceled, "đã bị dừng"},
	{context.DeadlineExceeded, "quá lâu không xong"},
	{io.ErrUnexpectedEOF, "bị cắt cụt"},
}

// vietnamese is an error as Vietnamese sentences hold it: the sentence of an Error in
// its chain, or what the system said of which file. What has no words here stays as
// it is.
func vietnamese(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.in(func(t Text) string { return t.VI })
	}
	where := ""
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		where, err = p.Path+": ", p.Err
	} else if l := (*os.LinkError)(nil); errors.As(err, &l) {
		where, err = l.New+": ", l.Err
	}
	for _, c := range causes {
		if errors.Is(err, c.is) {
			return where + c.says
		}
	}
	return where + err.Error()
}

// spoken is an error that says itself in Vietnamese.
type spoken struct{ error }

func (s spoken) Error() string { return vietnamese(s.error) }
