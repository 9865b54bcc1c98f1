//go:build linux

package systemtest

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var kills = flag.Int("kills", 10, "how often a process is killed")

// TestKill9 kills the province, the box and the laptop at random moments, while
// box and laptop import files and take saves, and all of them sync. Nothing that
// was acknowledged is missing then, nothing is there twice, and no tick that was
// shown has gone back.
func TestKill9(t *testing.T) {
	t.Parallel()
	rng := chance(t)
	t.Logf("%d kills (-kills)", *kills)
	c := newCommune(t)
	for range *kills / 2 {
		killEarly(t, rng, c.places()[rng.IntN(3)]) // no node has ever been ready yet
	}
	c.run()
	c.atWork(func() { killAndRestart(t, rng, c.places()) })
	c.stop()
	c.sameLogs()
}

// killAndRestart kills a process after the other, and starts each again; some
// are killed once more while they start.
func killAndRestart(t *testing.T, rng *rand.Rand, places []*place) {
	for range *kills {
		pause(rng, 1200*time.Millisecond)
		p := places[rng.IntN(len(places))]
		p.kill()
		pause(rng, 300*time.Millisecond)
		if rng.IntN(3) == 0 {
			killEarly(t, rng, p)
		}
		if err := p.run(); err != nil {
			t.Errorf("%s doesn't start after kill -9: %v", p.name, err)
			return
		}
	}
}

// killEarly kills a node while it starts.
func killEarly(t *testing.T, rng *rand.Rand, p *place) {
	early, err := begin("run", "--json", "--dir", p.dir)
	if err != nil {
		t.Error(err)
		return
	}
	pause(rng, 400*time.Millisecond)
	early.kill()
}

// pause lets up to so much time go by: what it waits for is chance.
func pause(rng *rand.Rand, most time.Duration) {
	<-time.After(time.Duration(rng.Int64N(int64(most))))
}
