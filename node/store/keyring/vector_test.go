package keyring

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// counter is a source of chance that counts: 00 01 02 ...
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*c)
		*c++
	}
	return len(p), nil
}

// The vectors of FORMAT.md: files that a counting source makes, up to their padding.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	written := strings.Join(strings.Fields(string(text)), "")
	for name, s := range map[string]Secret{
		"none": BesideSecret(), "key file": must(KeySecret(KeyFile, keyPrefix+strings.Repeat("5a", KeySize))),
		"password": must(PasswordSecret("mật khẩu của kho")),
	} {
		dir := t.TempDir()
		r := must(Create(dir, s, "x", new(counter)))
		raw := must(os.ReadFile(filepath.Join(dir, FileName)))
		n := headSize + int(binary.BigEndian.Uint16(raw[len(magic):]))
		for what, b := range map[string][]byte{"block": raw[:n], "check": raw[blockSize-checkSize:]} {
			if !strings.Contains(written, hex.EncodeToString(b)) {
				t.Errorf("%s: the %s isn't in FORMAT.md: %x", name, what, b)
			}
		}
		if k := r.Keys(); k.StoreID[15] != 0x0f || k.Data[0] != 0x10 || k.Data[31] != 0x2f {
			t.Errorf("%s: the keys aren't those of FORMAT.md", name)
		}
	}
	got := testKeys().Derive("badger")
	if !strings.Contains(written, hex.EncodeToString(got[:])) {
		t.Errorf("the derived key isn't in FORMAT.md: %x", got)
	}
}
