//go:build unix

package bundle

import (
	"errors"
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// noFollow opens no link, and waits for nobody who might write into a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func isReadOnly(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}

// sync makes names durable.
func (s *Stick) sync() error {
	d, err := s.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Free is how many bytes may be written.
func (s *Stick) Free() int64 {
	d, err := s.root.Open(".")
	if err != nil {
		return 0
	}
	var st unix.Statfs_t
	err = errors.Join(unix.Fstatfs(int(d.Fd()), &st), d.Close())
	if err != nil {
		return math.MaxInt64 // the write will tell
	}
	return int64(min(uint64(st.Bavail)*uint64(st.Bsize), math.MaxInt64))
}
