package bundle

import (
	"errors"
	"math"

	"golang.org/x/sys/windows"
)

// noFollow: Windows' links are found by comparing what was there before opening.
const noFollow = 0

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

func isReadOnly(err error) bool {
	return errors.Is(err, windows.ERROR_WRITE_PROTECT) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// sync has nothing to do: Windows flushes no directory, and writes through to what can
// be pulled unless somebody has chosen otherwise for that drive.
func (s *Stick) sync() error { return nil }

// Free is how many bytes may be written.
func (s *Stick) Free() int64 {
	name, err := windows.UTF16PtrFromString(s.root.Name())
	if err != nil {
		return 0
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return math.MaxInt64 // the write will tell
	}
	return int64(min(free, math.MaxInt64))
}
