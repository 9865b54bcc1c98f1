package replica_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"testing/synctest"
	"time"
)

// A box that was asked before it had an attachment says so when it has: nothing else
// changes on the line, and nobody calls again.
func TestARelayTellsWhenItHasAnAttachment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, laptop, box, hub := office(t)
		content := string(bytes.Repeat([]byte("x"), 100_000))
		hash := sha256.Sum256([]byte(content))
		laptop.files, box.files, hub.files = newShelf(content), newShelf(), newShelf()
		box.files.wanted, hub.files.wanted = [][32]byte{hash}, [][32]byte{hash}
		laptop.save(1)
		start(box, hub)
		time.Sleep(5 * time.Second) // the hub asks, and the box hasn't got it
		laptop.start()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if string(hub.files.held[hash]) != content {
			t.Errorf("the hub holds %d bytes of it", len(hub.files.part[hash]))
		}
		halt(laptop, box, hub)
	})
}

// Who sends something else is asked no more, not even when it calls again, and another
// is asked.
func TestWhoSendsOtherBytesIsAskedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, laptop, box, hub := office(t)
		content, wrong := bytes.Repeat([]byte("x"), 100_000), bytes.Repeat([]byte("y"), 100_000)
		hash := sha256.Sum256(content)
		laptop.files, box.files, hub.files = newShelf(), newShelf(), newShelf()
		box.files.wanted = [][32]byte{hash}
		laptop.files.held[hash] = wrong
		given := 0
		laptop.files.gives = func() { given++ }
		start(laptop, box)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		first := given
		for range 3 {
			net.cutAll()
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		if first == 0 || given != first || box.files.held[hash] != nil || box.files.part[hash] != nil {
			t.Errorf("%d pieces, then %d; the box holds %d bytes", first, given, len(box.files.held[hash]))
		}
		hub.files.held[hash] = content
		hub.start()
		time.Sleep(90 * time.Second) // the box calls again
		synctest.Wait()
		if !bytes.Equal(box.files.held[hash], content) || given != first {
			t.Errorf("from the hub it has %d bytes, and from the laptop %d more pieces", len(box.files.held[hash]), given-first)
		}
		halt(laptop, box, hub)
	})
}
