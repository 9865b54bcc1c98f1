package sealed

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/keyring"
)

var keys = keyring.Keys{StoreID: [16]byte{1, 2, 3}, Data: [32]byte{4, 5, 6}}

func stream(t *testing.T, plain []byte, extra ...age.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, keys, "backup", extra...)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unstream(b []byte, k keyring.Keys, purpose string) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(b), k, purpose)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestStream(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 200_000} {
		plain := bytes.Repeat([]byte("xã "), size/4+1)[:size]
		b := stream(t, plain)
		if got, err := unstream(b, keys, "backup"); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
		}
		if size > 10 && bytes.Contains(b, plain[:10]) {
			t.Error("the plain text is in the stream")
		}
	}
}

// Every byte of a stream counts, and so does its end.
func TestStreamDamaged(t *testing.T) {
	good := stream(t, []byte("hộ nghèo"))
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		if got, err := unstream(b, keys, "backup"); node.CodeOf(err) != node.Damaged {
			t.Errorf("byte %d flipped: %q, %v", i, got, err)
		}
		if _, err := unstream(good[:i], keys, "backup"); node.CodeOf(err) != node.Damaged {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func TestStreamOfAnother(t *testing.T) {
	b := stream(t, []byte("hộ nghèo"))
	id, data := keys, keys
	id.StoreID[0]++
	data.Data[0]++
	for name, err := range map[string]error{
		"purpose": second(unstream(b, keys, "attachment")), "store id": second(unstream(b, id, "backup")),
		"data key": second(unstream(b, data, "backup")),
	} {
		if node.CodeOf(err) != node.Damaged {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func second(_ []byte, err error) error { return err }

// A recovery key opens a stream that was also written for it.
func TestRecovery(t *testing.T) {
	recovery, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b := stream(t, []byte("hộ nghèo"), recovery.Recipient())
	if got, err := unstream(b, keys, "backup"); err != nil || string(got) != "hộ nghèo" {
		t.Errorf("own key: %q, %v", got, err)
	}
	r, err := NewReaderFor(bytes.NewReader(b), recovery)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "hộ nghèo" {
		t.Errorf("recovery key: %q, %v", got, err)
	}
}

// A disk that fails is not damage of what lies on it.
func TestDiskFailure(t *testing.T) {
	disk := &fs.PathError{Op: "read", Path: "backup", Err: fs.ErrInvalid}
	b := stream(t, make([]byte, 100_000))
	r, err := NewReader(io.MultiReader(bytes.NewReader(b[:80_000]), iotest.ErrReader(disk)), keys, "backup")
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if !errors.Is(err, fs.ErrInvalid) || node.CodeOf(err) == node.Damaged {
		t.Errorf("got %v; want the disk's error", err)
	}
}

func TestItem(t *testing.T) {
	item, err := Seal(keys, "seal key", []byte("hộ nghèo"))
	if err != nil || len(item) != len("hộ nghèo")+Overhead {
		t.Fatal(len(item), err)
	}
	if got, err := Open(keys, "seal key", item); err != nil || string(got) != "hộ nghèo" {
		t.Errorf("%q, %v", got, err)
	}
	again, _ := Seal(keys, "seal key", []byte("hộ nghèo"))
	if bytes.Equal(item, again) {
		t.Error("two items are equal: the nonce is not random")
	}
	for i := range item {
		b := bytes.Clone(item)
		b[i] ^= 0x80
		if _, err := Open(keys, "seal key", b); node.CodeOf(err) != node.Damaged {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := Open(keys, "seal key", item[:i]); node.CodeOf(err) != node.Damaged {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	if _, err := Open(keys, "peer key", item); node.CodeOf(err) != node.Damaged {
		t.Errorf("for another purpose: %v", err)
	}
}

func TestWithoutKey(t *testing.T) {
	item, _ := Seal(keys, "a", nil)
	b := stream(t, nil)
	_, writer := NewWriter(io.Discard, keyring.Keys{}, "a")
	_, seal := Seal(keyring.Keys{}, "a", nil)
	_, open := Open(keyring.Keys{}, "a", item)
	for name, err := range map[string]error{
		"NewWriter": writer, "Seal": seal, "Open": open, "NewReader": second(unstream(b, keyring.Keys{}, "backup")),
	} {
		if !errors.Is(err, keyring.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
