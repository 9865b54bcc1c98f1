//go:build linux

package systemtest

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A commune's box keeps to its memory while it takes a file of many long rows in,
// and gives back what that took. The bounds leave room for a busy machine:
// `vungxa bench store` measures.
func TestMemoryOfTheBoxWhileItImports(t *testing.T) {
	const rows, loading, atRest = 4000, 200 << 20, 96 << 20
	t.Parallel()
	c, d := newCommune(t), newDesk(t)
	c.run(c.box)
	var text strings.Builder
	text.WriteString(head)
	for i := range rows {
		fmt.Fprintf(&text, "%d,%s %d,%02d/03/2025 08:00\n", i, strings.Repeat("Đường liên xóm hỏng sau mưa. ", 14), i, 1+i%28)
	}
	most, over := atomic.Int64{}, make(chan struct{})
	go func() {
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-over:
				return
			case <-look.C:
				most.Store(max(most.Load(), c.box.anonymous()))
			}
		}
	}()
	begun := time.Now()
	imported := d.into(c.box, d.file("long.csv", text.String()))
	close(over)
	imported.says(t, 0, fmt.Sprint(rows))
	t.Logf("%d rows in %v, at most %d MiB", rows, time.Since(begun).Round(time.Second), most.Load()>>20)
	if most.Load() > loading || most.Load() == 0 {
		t.Errorf("the box held %d MiB of its own memory while it imported; want at most %d", most.Load()>>20, loading>>20)
	}
	eventually(t, "the box to rest", func() error {
		if held := c.box.anonymous(); held == 0 || held > atRest {
			return fmt.Errorf("it holds %d MiB; want at most %d", held>>20, atRest>>20)
		}
		return nil
	})
}

// anonymous is how much memory of its own the node's process holds, in bytes; 0 if
// it has ended.
func (p *place) anonymous() int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid)) // it may be gone
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0
	}
	return kib << 10
}
