package link

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTune(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetKeepAlive(true); err != nil {
		t.Fatal(err)
	}
	if err := tune(c); err != nil {
		t.Fatal(err)
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for _, o := range []struct {
			name                string
			level, option, want int
		}{
			{"keep-alives", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
			{"unsent bytes", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes},
		} {
			if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); err != nil || got != o.want {
				t.Errorf("%s: %d (%v); want %d", o.name, got, err, o.want)
			}
		}
		used, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		if err != nil {
			t.Error(err)
		}
		t.Logf("congestion control: %s", used) // a kernel may have only its own
	})
	if err != nil {
		t.Fatal(err)
	}
}
