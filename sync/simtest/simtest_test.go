package simtest_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/vungxa/vungxa/sync/simtest"
)

var (
	seed  = flag.Uint64("seed", 1, "of the first history")
	seeds = flag.Uint64("seeds", 6, "how many histories are played")
	tell  = flag.Bool("tell", false, "tell what happens in them")
)

func options(t *testing.T, n uint64) simtest.Options {
	o := simtest.Options{Seed: n}
	if *tell {
		o.Tell = func(s string) { t.Log(s) }
	}
	return o
}

// Whatever happens to the machines, the lines and the people of a history, what
// must hold does.
func TestHistories(t *testing.T) {
	for n := range *seeds {
		t.Run(fmt.Sprint("seed ", *seed+n), func(t *testing.T) {
			result, err := simtest.Run(options(t, *seed+n))
			t.Log(result)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A history that is played again is the same, byte for byte.
func TestReplay(t *testing.T) {
	first, err := simtest.Run(options(t, *seed))
	again, err2 := simtest.Run(options(t, *seed))
	if first != again || fmt.Sprint(err) != fmt.Sprint(err2) {
		t.Errorf("the same seed plays\n%v, %v\nand then\n%v, %v", first, err, again, err2)
	}
}
