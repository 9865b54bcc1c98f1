package link

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsentBytes is how much the kernel holds of a connection that it has not sent yet.
// More would be in front of what is urgent: at 64 kbit/s this is two seconds. What yamux
// holds (up to a stream's window) comes on top.
const unsentBytes = 16 << 10

// congestion is a congestion control that goes by the line's rate and doesn't take
// each loss for a full queue: at 5 % loss the usual one uses a part of the line only.
const congestion = "bbr"

// tuneSocket sets what only this system has. A kernel without the congestion control
// goes on with its own.
func tuneSocket(c net.Conn) error {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return fmt.Errorf("tune a connection: %w", err)
	}
	var unsent error
	err = raw.Control(func(fd uintptr) {
		unsent = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes)
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, congestion)
	})
	if err == nil {
		err = unsent
	}
	if err != nil {
		return fmt.Errorf("tune a connection: %w", err)
	}
	return nil
}
