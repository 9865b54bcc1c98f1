package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// undumpable also keeps a handler that the kernel pipes dumps to from getting one,
// and other processes of the same user from reading the memory.
func undumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep others from the memory: %w", err)
	}
	return nil
}
