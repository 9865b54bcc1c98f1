package backup

import (
	"bytes"
	"errors"
	"maps"
	"testing"
)

// Files of every length around a piece come back beside the store's items, and a
// store that differs in one value is not the same.
func TestANodeComesBack(t *testing.T) {
	files := map[string][]byte{}
	for _, size := range []int{0, 1, filePiece - 1, filePiece, filePiece + 1, 3*filePiece + 7} {
		files[string(rune('a'+len(files)))] = bytes.Repeat([]byte{byte(size)}, size)
	}
	c := office(300)
	var list []File
	for name, b := range files {
		list = append(list, Bytes(name, b))
	}
	items := Node(list, c.items)
	s, err := Writable(t.TempDir(), testKeys, nil, chance())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), About{}, items); err != nil {
		t.Fatal(err)
	}
	m, err := s.Manifest(0)
	if err != nil {
		t.Fatal(err)
	}
	gotFiles, got := map[string][]byte{}, content{}
	err = s.Restore(t.Context(), m, Sink{
		File: func(name string, at uint64, piece []byte) error {
			if at != uint64(len(gotFiles[name])) {
				return errors.New("a piece out of its place")
			}
			gotFiles[name] = append(gotFiles[name], piece...)
			return nil
		},
		Item: func(k, v []byte) error { got[string(k)] = string(v); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, c) || !maps.EqualFunc(gotFiles, files, bytes.Equal) {
		t.Errorf("%d items and %d files came back; want %d and %d, the same", len(got), len(gotFiles), len(c), len(files))
	}
	if same, err := s.Same(t.Context(), m, items); err != nil || !same {
		t.Errorf("what was backed up is the same: %v, %v", same, err)
	}
	c["s00000007"] += "x"
	if same, err := s.Same(t.Context(), m, Node(list, c.items)); err != nil || same {
		t.Errorf("with one value changed it is the same: %v, %v", same, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
