package daemon

import "testing"

func TestAnnounced(t *testing.T) {
	for _, c := range []struct {
		address   string
		off, want bool
	}{
		{"0.0.0.0:8703", false, true},
		{"192.168.1.7:8703", false, true},
		{"[::]:8703", false, true},
		{"192.168.1.7:8703", true, false},
		{"127.0.0.1:8703", false, false},
		{"[::1]:8703", false, false},
		{"", false, false}, // it doesn't listen
	} {
		if got := announced(c.address, c.off); got != c.want {
			t.Errorf("%q, off %v: announced %v; want %v", c.address, c.off, got, c.want)
		}
	}
}
