package daemon

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vungxa/vungxa/sync/replica"
)

// caller is a carrier to which each step of a script happens: a call, or an error.
type caller struct {
	script []error // nil: a call
}

func (c *caller) Dial(context.Context, string, ed25519.PublicKey) (replica.Conn, error) {
	return nil, errors.New("not called")
}

func (c *caller) Accept(ctx context.Context) (replica.Conn, error) {
	if len(c.script) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	err := c.script[0]
	if c.script = c.script[1:]; err != nil {
		return nil, err
	}
	return silent{}, nil
}

// silent is a connection that nobody uses.
type silent struct{ replica.Conn }

func (silent) Close() error { return nil }

// A carrier that can't take calls is told of and tried again, less and less often, and
// the other one goes on.
func TestOneCarrierFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the network is down")
		fast, slow := &caller{script: []error{broken, broken, broken, nil, broken, nil}}, &caller{script: []error{nil, nil}}
		var log bytes.Buffer
		c := &carriers{
			fast: fast, thin: slow, now: time.Now, log: slog.New(slog.NewTextHandler(&log, nil)),
			in: make(chan replica.Conn), pumps: make(chan struct{}, 1),
		}
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		for range 2 {
			if _, err := c.Accept(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the other carrier's calls waited %s", took)
		}
		for _, want := range []time.Duration{7 * time.Second, 8 * time.Second} {
			if _, err := c.Accept(ctx); err != nil || time.Since(began) != want {
				t.Errorf("a call after %s, %v; want one after %s", time.Since(began), err, want)
			}
		}
		if n := bytes.Count(log.Bytes(), []byte("carrier=libp2p")); n != 4 || bytes.Contains(log.Bytes(), []byte("carrier=thin")) {
			t.Errorf("told %d times; want 4:\n%s", n, log.Bytes())
		}
		cancel()
		if _, err := c.Accept(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want that it was cancelled", err)
		}
		synctest.Wait() // both pumps end
	})
}
