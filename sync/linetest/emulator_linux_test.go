package linetest

import (
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vungxa/vungxa/sync/linetest/line"
)

func emulator(t *testing.T) *Emulator {
	t.Helper()
	e, err := New(time.Now)
	if errors.Is(err, ErrMissing) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t)
	})
	return e
}

// pair is a UDP socket at B, and one at A that sends there.
func pair(t *testing.T, e *Emulator) (a net.Conn, b net.PacketConn) {
	t.Helper()
	err := e.B.Do(func() (err error) {
		b, err = net.ListenPacket("udp4", e.B.Address+":7000")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if a, err = e.A.Dial(t.Context(), "udp4", e.B.Address+":7000"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a, b
}

// Datagrams take as long as the line says, are counted with 28 bytes of headers, and
// are lost as the seed says.
func TestEmulator(t *testing.T) {
	e := emulator(t)
	a, b := pair(t, e)
	const sent, size, delay = 200, 72, 50 * time.Millisecond
	e.Shape(line.Both{Up: line.Shape{Delay: delay, Loss: 0.2, BitsPerSecond: 1e6}}, 1)
	began := time.Now()
	for range sent {
		if _, err := a.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	read(t, b, 10*time.Second)
	first := time.Since(began)
	count, _ := e.Counts() // all were sent long before the first arrived
	if count.Packets != sent || count.Bytes != sent*(size+28) {
		t.Fatalf("counted %+v; want %d packets of %d bytes", count, sent, size+28)
	}
	for range sent - count.Gone - 1 {
		read(t, b, 10*time.Second)
	}
	// 200 of 100 bytes take 160 ms at 1 Mbit/s.
	if all := time.Since(began); first < delay || all < delay+150*time.Millisecond {
		t.Errorf("the first datagram came after %v, the last after %v", first, all)
	}
	if count.Gone < 20 || count.Gone > 60 {
		t.Errorf("%d of %d were lost; want about 40", count.Gone, sent)
	}
	e.Cut(true)
	if _, err := a.Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	if err := b.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := b.ReadFrom(make([]byte, 1500)); err == nil {
		t.Errorf("%d bytes came over a line that is cut", n)
	}
}

// read takes one datagram.
func read(t *testing.T, c net.PacketConn, within time.Duration) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadFrom(make([]byte, 1500)); err != nil {
		t.Fatal(err)
	}
}
