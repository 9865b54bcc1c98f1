//go:build !linux

package link

import "net"

// tuneSocket has nothing to set on this system.
func tuneSocket(net.Conn) error { return nil }
