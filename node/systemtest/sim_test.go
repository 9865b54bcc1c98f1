//go:build linux

package systemtest

import (
	"flag"
	"fmt"
	"testing"
	"testing/cryptotest"

	"github.com/vungxa/vungxa/sync/simtest"
)

var (
	simSeeds = flag.Uint64("sim", 1, "how many histories are played on engines, from -seed on")
	simDays  = flag.Int("days", 1, "how many virtual days each has")
	simTell  = flag.Bool("tell", false, "tell what happens in them")
)

// TestHistories plays histories of sync/simtest on engines: whatever happens to
// machines, lines and people, what must hold does, and in the end the records of all
// are the same, nothing that was acknowledged is missing, what a person has to settle
// is in the inbox, and the figures are those of the records.
func TestHistories(t *testing.T) {
	for n := range *simSeeds {
		t.Run(fmt.Sprint("seed ", *seed+n), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, *seed+n) // what bundles are sealed with
			o := simtest.Options{Seed: *seed + n, Days: *simDays, Small: true, Maker: newEngines(t), Dir: t.TempDir()}
			if *simTell {
				o.Tell = func(s string) { t.Log(s) }
			}
			result, err := simtest.Run(o)
			t.Log(result)
			if err != nil {
				t.Error(err)
			}
		})
	}
}
