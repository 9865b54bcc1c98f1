package linetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// End is one end of a line: a network namespace.
type End struct {
	Address string // of its device, an IPv4 address

	space  *os.File
	device *os.File // TUN: what is read is what programs there have sent
}

// Where the two ends are, and what their device is called.
const (
	addressA, addressB = "10.77.0.1", "10.77.0.2"
	deviceName         = "line0"
)

// newEnd is an end with a TUN device.
func newEnd(address, other string) (*End, error) {
	e := &End{Address: address}
	if err := e.unshare(); err != nil {
		return nil, err
	}
	err := e.Do(func() (err error) {
		if e.device, err = openTUN(deviceName); err != nil {
			return fmt.Errorf("%w: /dev/net/tun: %w", ErrMissing, err)
		}
		return configure([]string{address, "peer", other})
	})
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// LAN is two ends on one Ethernet, with no model of a line between them.
type LAN struct{ A, B *End }

// NewLAN joins two ends as a switch does. Its errors wrap ErrMissing as New's do.
func NewLAN() (l *LAN, err error) {
	if err := commands(); err != nil {
		return nil, err
	}
	l = &LAN{A: &End{Address: addressA}, B: &End{Address: addressB}}
	for _, e := range []*End{l.A, l.B} {
		if err := e.unshare(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	err = l.A.Do(func() error {
		return ip("link", "add", deviceName, "type", "veth", "peer", "name", deviceName, "netns", l.B.path())
	})
	for _, e := range []*End{l.A, l.B} {
		if err == nil {
			err = e.Do(func() error { return configure([]string{e.Address + "/24"}) })
		}
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close takes the ends away. What still runs there has no network.
func (l *LAN) Close() error { return errors.Join(l.A.close(), l.B.close()) }

// unshare makes the namespace. The file keeps it.
func (e *End) unshare() error {
	err := elsewhere(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() (err error) {
		e.space, err = os.Open(threadSpace())
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: a network namespace (is this root?): %w", ErrMissing, err)
	}
	return nil
}

// elsewhere goes into another namespace, does something there, and comes back. A thread
// that can't come back ends with its goroutine; others may not end: processes that they
// have started might be tied to them.
func elsewhere(enter, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		here, err := os.Open(threadSpace())
		if err != nil {
			done <- err
			return
		}
		if err = enter(); err == nil {
			err = do()
		}
		back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET)
		if back == nil {
			runtime.UnlockOSThread()
		}
		done <- errors.Join(err, back, here.Close())
	}()
	return <-done
}

// path names the namespace to other programs.
func (e *End) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), e.space.Fd()) }

// threadSpace names the namespace of the calling thread.
func threadSpace() string { return fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()) }

// Do runs f in the namespace: sockets that it opens and processes that it starts
// belong there for ever. f may not leave that to other goroutines.
func (e *End) Do(f func() error) error {
	return elsewhere(func() error { return unix.Setns(int(e.space.Fd()), unix.CLONE_NEWNET) }, f)
}

// Wrap is what to write before a command for it to run at this end.
func (e *End) Wrap() []string {
	return []string{"nsenter", "--net=" + e.path(), "--"}
}

// Dial connects from within the namespace, as to the loopback there. The host is an
// IP address.
func (e *End) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = e.Do(func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// configure brings the devices of the calling thread's namespace up. IPv6 goes: its
// neighbour messages would be counted. What TCP learnt of the line is forgotten with
// each connection, so that one measurement doesn't help the next.
func configure(address []string) error {
	for name, value := range map[string]string{
		"ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/default/disable_ipv6": "1", "ipv4/tcp_no_metrics_save": "1",
	} {
		err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("linetest: %w", err)
		}
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		append([]string{"address", "add", "dev", deviceName}, address...),
		{"link", "set", deviceName, "multicast", "on", "up"},
		{"route", "add", "224.0.0.0/4", "dev", deviceName},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	return nil
}

// ip runs the command in the calling thread's namespace.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("linetest: ip %v: %w: %s", args, err, out)
	}
	return nil
}

// commands says which command is missing.
func commands() error {
	for _, name := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%w: the command %s: %w", ErrMissing, name, err)
		}
	}
	return nil
}

// openTUN makes a device in the calling thread's namespace.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (e *End) close() error {
	var errs []error
	for _, f := range []*os.File{e.device, e.space} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
