package store

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// What is added to a commit of Badger's beside the second fsync: MACs, the digest of
// the write-ahead log, the frame. ns/op without fsyncs.
func BenchmarkCommitWithoutFsyncs(b *testing.B) {
	o := testOptions()
	o.Without = RuleSync
	s, err := Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	s.heads.sync = func(*os.File) error { return nil }
	m, rng := newModel(), rand.New(rand.NewPCG(*seed, 0))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.work(s, rng, 1); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// What is read behind the first answers, or before them after an end that was not
// clean: MB/s of table files, from the
// page cache.
func BenchmarkDigestOfTables(b *testing.B) {
	name := filepath.Join(b.TempDir(), "000001.sst")
	const size = 100 << 20
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		b.Fatal(err)
	}
	d := newDigester(testKeys, purposeFile)
	b.SetBytes(size)
	for b.Loop() {
		if _, _, err := d.fileSum(name, make([]byte, pieceOfFile)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValueMAC(b *testing.B) {
	m := valueMACs{digester: newDigester(testKeys, purposeValue), format: Format}
	key, value := make([]byte, 40), make([]byte, 500)
	b.ReportAllocs()
	for b.Loop() {
		m.open(key, m.seal(key, value))
	}
}
