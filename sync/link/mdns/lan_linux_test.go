package mdns

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vungxa/vungxa/sync/linetest"
)

// Two devices on one Ethernet hear each other, each at the other's address.
func TestLAN(t *testing.T) {
	lan, err := linetest.NewLAN()
	if errors.Is(err, linetest.ErrMissing) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	var running sync.WaitGroup
	heard := make(chan string, 64)
	for name, end := range map[string]*linetest.End{"a": lan.A, "b": lan.B} {
		c := Config{
			Key: key(name), Port: 8703, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
			Known: func() []ed25519.PublicKey { return []ed25519.PublicKey{key("a"), key("b")} },
			Found: func(k ed25519.PublicKey, at string) {
				if k.Equal(key(name)) {
					at = "itself"
				}
				select {
				case heard <- name + " " + at:
				default: // it says so again and again
				}
			},
		}
		running.Go(func() {
			if err := end.Do(func() error { return Run(ctx, c) }); err != nil {
				t.Error(err)
			}
		})
	}
	missing := map[string]bool{"a " + lan.B.Address + ":8703": true, "b " + lan.A.Address + ":8703": true}
	for len(missing) > 0 && ctx.Err() == nil {
		select {
		case h := <-heard:
			delete(missing, h)
			if h == "a itself" || h == "b itself" {
				t.Error(h)
			}
		case <-ctx.Done():
			t.Errorf("not heard: %v", missing)
		}
	}
	cancel()
	running.Wait()
	if err := lan.Close(); err != nil {
		t.Error(err)
	}
}
