package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// anonymous is how much memory of its own a process holds, in MiB: what no file
// stands behind, as the kernel counts it. Where the kernel says nothing of it, it is an
// error.
func anonymous(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("memory is measured on Linux only: %w", err)
	}
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b, []byte("RssAnon:"))
	var kib float64
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		return 0, fmt.Errorf("the kernel doesn't tell a process's anonymous memory: %w", err)
	}
	return kib / 1024, nil
}

// watcher follows the anonymous memory of a process.
type watcher struct {
	peak float64 // MiB; read it after stop
	err  error
	quit chan struct{}
	once sync.Once
	done chan struct{}
}

// watch looks at a process's memory fifty times a second until it is stopped.
func watch(pid int) *watcher {
	w := &watcher{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			held, err := anonymous(pid)
			if err != nil {
				w.err = err
				return
			}
			w.peak = max(w.peak, held)
			select {
			case <-w.quit:
				return
			case <-again.C:
			}
		}
	}()
	return w
}

func (w *watcher) stop() error {
	w.once.Do(func() { close(w.quit) })
	<-w.done
	return w.err
}

// settle waits until a process's memory has not gone down by more than 1 % for ten
// seconds, at most two minutes, and gives what it holds then.
func settle(ctx context.Context, pid int, now func() time.Time) (float64, error) {
	const calm, patience = 10 * time.Second, 2 * time.Minute
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	began := now()
	low, since := 0.0, began
	for {
		held, err := anonymous(pid)
		if err != nil {
			return 0, err
		}
		if low == 0 || held < low*0.99 {
			low, since = held, now()
		}
		if now().Sub(since) >= calm || now().Sub(began) >= patience {
			return held, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-again.C:
		}
	}
}
