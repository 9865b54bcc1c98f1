package keyring

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

func testKeys() Keys {
	var k Keys
	for i := range k.StoreID {
		k.StoreID[i] = byte(i)
	}
	for i := range k.Data {
		k.Data[i] = byte(0x40 + i)
	}
	return k
}

// The vector of FORMAT.md, computed by another program (Python's hmac).
func TestDeriveVector(t *testing.T) {
	got := testKeys().Derive("badger")
	const want = "4c482101db8a011579a5428400e2ef34211f561921db77b6fa4da1a32d1b3db9"
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("%x; want %s", got, want)
	}
}

func TestDeriveSeparates(t *testing.T) {
	k := testKeys()
	other := k
	other.StoreID[0]++
	seen := map[[KeySize]byte]string{k.Data: "the data key"}
	for name, key := range map[string][KeySize]byte{
		"a": k.Derive("a"), "b": k.Derive("b"), "none": k.Derive(""), "another store": other.Derive("a"),
	} {
		if was, twice := seen[key]; twice {
			t.Errorf("%s and %s have one key", name, was)
		}
		seen[key] = name
	}
}

func TestZeroKeyIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a key was derived from nothing")
		}
	}()
	Keys{StoreID: [16]byte{1}}.Derive("badger")
}

func TestKeysAreNotPrinted(t *testing.T) {
	k := testKeys()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, k); strings.Contains(s, "64") || strings.Contains(s, "0x40") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}
