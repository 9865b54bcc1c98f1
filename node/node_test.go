package node

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

// A cause inside a sentence is in the sentence's language, however deep it lies.
func TestCausesAreInTheSentencesLanguage(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/k", Err: syscall.EACCES}
	inner := Errorf(Unauthenticated, "Khóa không mở được.", "the key opens nothing")
	for _, c := range []struct {
		cause  error
		vi, en string
	}{
		{denied, "Hỏng: /k: không có quyền.", "broken: open /k: permission denied"},
		{fmt.Errorf("write the keys: %w", &fs.PathError{Op: "write", Path: "/k", Err: syscall.ENOSPC}),
			"Hỏng: /k: đĩa đã hết chỗ.", "broken: write the keys: write /k: no space left on device"},
		{fmt.Errorf("read: %w", inner), "Hỏng: Khóa không mở được..", "broken: read: the key opens nothing"},
		{errors.New("odd"), "Hỏng: odd.", "broken: odd"},
	} {
		e := Errorf(Damaged, "Hỏng: %w.", "broken: %w", c.cause)
		if e.Message.VI != c.vi || e.Message.EN != c.en || !errors.Is(e, c.cause) {
			t.Errorf("%q, %q; want %q, %q", e.Message.VI, e.Message.EN, c.vi, c.en)
		}
	}
	if r := Reason(fmt.Errorf("dump: %w", denied)); r.VI != "/k: không có quyền" || r.EN != "dump: open /k: permission denied" {
		t.Errorf("%+v", r)
	}
}
