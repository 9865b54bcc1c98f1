package store

import "golang.org/x/sys/windows"

// roomOf is how much of a directory's disk this user can still write, and how large
// it is.
func roomOf(dir string) (r Room, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return r, err
	}
	return r, windows.GetDiskFreeSpaceEx(name, &r.Free, &r.Total, nil)
}
