package simtest_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/cryptotest"

	"github.com/vungxa/vungxa/sync/linetest/line"
	"github.com/vungxa/vungxa/sync/simtest"
)

var (
	seed  = flag.Uint64("seed", 1, "of the first history")
	seeds = flag.Uint64("seeds", 2, "how many histories are played")
	tell  = flag.Bool("tell", false, "tell what happens in them")
)

// options are those of a seed. What seals bundles is drawn from it too.
func options(t *testing.T, n uint64) simtest.Options {
	cryptotest.SetGlobalRandom(t, n)
	o := simtest.Options{Seed: n, Dir: t.TempDir()}
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

// The same on lines that were recorded: a drive on a UMTS network, rides on buses.
func TestRecordedLines(t *testing.T) {
	names, err := filepath.Glob("../../../shared/data/traces/*")
	if err != nil || len(names) == 0 {
		t.Skip("SKIPPED histories on recorded lines: no traces beside the repository, in ../shared/data/traces")
	}
	var traces []*line.Trace
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		trace, err := line.ReadTrace(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatalf("%s: %v", filepath.Base(name), err)
		}
		traces = append(traces, trace)
	}
	for n := range max(1, *seeds/20) {
		o := options(t, *seed+n)
		o.Days, o.Traces = 1, traces
		result, err := simtest.Run(o)
		t.Log(result)
		if err != nil {
			t.Error(err)
		}
	}
}

// A history that is played again is the same, byte for byte.
func TestReplay(t *testing.T) {
	play := func() (simtest.Result, error) {
		o := options(t, *seed)
		o.Days = 1
		return simtest.Run(o)
	}
	first, err := play()
	again, err2 := play()
	if first != again || fmt.Sprint(err) != fmt.Sprint(err2) {
		t.Errorf("the same seed plays\n%v, %v\nand then\n%v, %v", first, err, again, err2)
	}
}
