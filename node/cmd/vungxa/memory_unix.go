//go:build unix

package main

import (
	"fmt"
	"syscall"
)

// keepMemory keeps the process's memory, which holds keys and people's records, off
// the disk: no core dump is written, whatever the machine is set to.
func keepMemory() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("switch core dumps off: %w", err)
	}
	return undumpable()
}
