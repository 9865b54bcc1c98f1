package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/vungxa/vungxa/node"
)

// asked in the environment of a copy of this test, which is then a writer.
const fillAsked = "VUNGXA_STORE_FILL"

// writeForEver opens the store in dir and writes, and says what happened: "open",
// "saved N", "full" with the sentence when a save is refused, "room" when one is
// taken again. For each byte of its input it says "looked" when it has tried another
// save since, and so has looked at the disk. It ends when its input does.
func writeForEver(dir string, in io.Reader, out io.Writer) error {
	o := testOptions()
	o.Now = time.Now
	s, err := Open(dir, o)
	if err != nil {
		return err
	}
	next := 0
	err = s.View(func(tx *Tx) error {
		return tx.Scan(Scan{Prefix: metaKey("fill/"), Values: true}, func(k, v []byte) (bool, error) { next++; return true, nil })
	})
	fmt.Fprintln(out, "open", next)
	quit, looks := make(chan error), make(chan struct{})
	go func() {
		asked := bufio.NewReader(in)
		_, err := asked.ReadByte()
		for ; err == nil; _, err = asked.ReadByte() {
			looks <- struct{}{}
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		quit <- err
	}()
	rng, full := rand.New(rand.NewPCG(1, uint64(next))), false
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for err == nil {
		asked := false
		select {
		case <-looks:
			asked = true
		case err := <-quit:
			return errors.Join(err, s.Close())
		default:
		}
		werr := s.Update(func(tx *Tx) error { return putNoise(tx, next, rng) })
		switch {
		case werr == nil && full:
			full = false
			fmt.Fprintln(out, "room")
			fallthrough
		case werr == nil:
			fmt.Fprintln(out, "saved", next)
			next++
		case node.CodeOf(werr) != node.ReadOnly:
			err = werr
		case !full:
			full = true
			fmt.Fprintln(out, "full", werr)
		default:
			<-again.C
		}
		if asked {
			fmt.Fprintln(out, "looked")
		}
	}
	return errors.Join(err, s.Close())
}

// putNoise writes a save's number, and 24 KiB that no compression makes smaller,
// in keys that lie anywhere, so that Badger has much to compact.
func putNoise(tx *Tx, n int, rng *rand.Rand) error {
	if err := tx.PutMeta(fmt.Sprintf("fill/%08d", n), fmt.Append(nil, n)); err != nil {
		return err
	}
	for range 24 {
		b := make([]byte, 1<<10)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if err := tx.PutMeta(fmt.Sprintf("noise/%08x", rng.Uint32()), b); err != nil {
			return err
		}
	}
	return nil
}
