package store

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node/store/keyring"
)

var (
	seed = flag.Uint64("seed", 1, "of what is left to chance: files, bits, moments")
	bits = flag.Int("bits", 40, "how many bits are flipped, one at a time")
)

// TestMain lets the test binary be the copy that tries a suspect store.
func TestMain(m *testing.M) {
	if code, asked := Probe(); asked {
		os.Exit(code)
	}
	if dir := os.Getenv(fillAsked); dir != "" {
		if err := writeForEver(dir, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var testKeys = keyring.Keys{StoreID: [16]byte{1}, Data: [keyring.KeySize]byte{2}}

func testOptions() Options {
	return Options{
		Log: slog.New(slog.DiscardHandler), Keys: testKeys,
		Now: func() time.Time { return time.UnixMilli(1_800_000_000_000) },
	}
}
