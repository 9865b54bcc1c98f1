// Package systemtest tries the whole program as the world will: real processes
// that are killed, real disks whose power is cut, real files that are imported,
// real connections on which everything is wrong. It holds tests only.
//
// Most tests run a commune: a province, an office's box and a laptop, each a
// process of the program, built once, on a directory of its own, on free ports
// of loopback. A hand works at a node: it imports files by the command line's
// door and saves by hand over HTTP, and remembers what was acknowledged. A test
// does something to the processes meanwhile, waits until everything is received
// by the province, and counts: nothing acknowledged is missing, nothing is there
// twice, and no tick that was shown has gone back.
//
// The tests need Linux. What a machine can't do (mount a loop device, say) is
// skipped by name. -kills and -powercuts make campaigns of them: `make kill9`,
// `make powercut`.
package systemtest
