package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"syscall"

	"github.com/vungxa/vungxa/node"
)

// explain is an error in the console's language, as far as it has words for it.
func explain(c *console, err error) string {
	var e *node.Error
	s := ""
	if errors.As(err, &e) {
		s = c.text(e.Message)
		for _, f := range e.Fields {
			s += fmt.Sprintf("\n  %s: %s", f.Field, c.text(f.Message))
		}
	} else {
		s = c.text(node.Reason(err))
		if errors.Is(err, syscall.ENOSPC) {
			s += c.text(node.Text{VI: ". Hãy giải phóng chỗ hoặc chọn ổ đĩa khác, rồi chạy lại lệnh này.", EN: "; make room or choose another disk, and run it again"})
		}
	}
	if say := refused(err); say != (node.Text{}) {
		s += "\n" + c.text(say)
	}
	return s
}

// refused says whose the file is that this user may not touch; nothing where the
// error is another, or the system keeps no such account.
func refused(err error) (t node.Text) {
	var p *fs.PathError
	if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &p) {
		return t
	}
	at := p.Path
	info, statErr := os.Stat(at)
	for statErr != nil && at != filepath.Dir(at) { // what can't be seen is told of by what holds it
		at = filepath.Dir(at)
		info, statErr = os.Stat(at)
	}
	owner := ownerOf(info)
	me, meErr := user.Current()
	if statErr != nil || meErr != nil || owner == "" {
		return t
	}
	if owner == me.Username {
		return node.Errorf(node.Forbidden, "%s là của chính người dùng này (%s), nhưng quyền của nó không cho phép. Hãy sửa quyền (chmod u+rwX).",
			"%s is this user's (%s), and its mode doesn't allow it; change its mode (chmod u+rwX)", at, owner).Message
	}
	return node.Errorf(node.Forbidden, "%[1]s thuộc về người dùng %[2]s, còn lệnh này đang chạy với người dùng %[3]s. Hãy chạy nó với người dùng %[2]s (sudo -u %[2]s ...).",
		"%[1]s belongs to the user %[2]s and this command runs as %[3]s; run it as %[2]s (sudo -u %[2]s ...)", at, owner, me.Username).Message
}
