// Package systemtest tries the whole program as the world will: real processes
// that are killed, real disks whose power is cut, real files that are imported.
// It holds tests only. What a machine can't do (mount a loop device, say) is
// skipped by name.
package systemtest
