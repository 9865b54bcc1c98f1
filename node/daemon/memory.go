package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/identity"
)

// Memory of an office's node, which runs beside everything else on a cheap box: the
// collector works harder as the heap comes near memoryLimit, whoever writes much
// waits above memoryBusy, and after work what is over memoryRest is given back. A
// hub has memory, and thousands of lines: it has none of these.
const (
	memoryLimit   = 120 << 20
	memoryBusy    = 128 << 20
	memoryRest    = 40 << 20
	memoryPercent = 50
	memoryReturns = 12 // times that a node at rest gives memory back: Badger lets go of its builders' buffers one by one
)

// limitMemory sets the collector's aims, unless the environment does.
func (d *Daemon) limitMemory() error {
	if d.small() {
		limitMemory()
	}
	return nil
}

func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(memoryPercent)
	}
}

func (d *Daemon) small() bool { return d.self.claims.Role != identity.RoleHub }

// memoryHeld is what the Go runtime has of the machine's memory, in bytes.
func memoryHeld() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

func (d *Daemon) memoryBusy() bool { return d.small() && busy() }

func busy() bool { return memoryHeld() > memoryBusy }

// tendEvery is how often a running node looks after its disk, tick by tick, and
// after its memory every tenth time.
const tendEvery = 250 * time.Millisecond

// tend follows the room on the disk also while nobody writes, so that a disk that
// fills is met before Badger's own work meets it, and gives memory back when work
// is over.
func (d *Daemon) tend(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	failing, position, still := false, uint64(0), 0
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := d.store.Tend()
		if failed := err != nil && node.CodeOf(err) != node.ReadOnly; failed != failing {
			failing = failed // told once; whoever saves is told too
			d.opts.Log.Warn("looking after the disk", "failing", failed, "error", err)
		}
		if err == nil {
			d.engine.Resume()
			d.writeLater()
		}
		if n%10 != 0 {
			continue
		}
		if still++; d.engine.Position() != position {
			position, still = d.engine.Position(), 0
		} else if d.small() && still <= memoryReturns && memoryHeld() > memoryRest {
			debug.FreeOSMemory()
		}
	}
}
