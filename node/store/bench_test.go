package store

import (
	"flag"
	"fmt"
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

var openingMiB = flag.Int("opening", 16, "size in MiB of the store that BenchmarkOpening opens")

// A clean opening up to the first answer, of a store of rows like those of an index: with
// all tables read before it, and with those read that the answer rests on.
func BenchmarkOpening(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(dir, testOptions())
	if err != nil {
		b.Fatal(err)
	}
	rng, row := rand.New(rand.NewPCG(1, 0)), make([]byte, 60)
	for n := 0; n < *openingMiB<<20 && err == nil; {
		err = s.Update(func(tx *Tx) error {
			for range 3000 {
				for i := range row[:40] {
					row[i] = byte(rng.Uint32())
				}
				if err := tx.PutRow(Row("dossiers", row)); err != nil {
					return err
				}
				n += 64
			}
			return nil
		})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, early := range []bool{true, false} {
		b.Run(fmt.Sprintf("early=%v", early), func(b *testing.B) {
			tables := 0
			for b.Loop() {
				o := held()
				o.early = early
				s, err := Open(dir, o)
				if err == nil {
					err = s.View(func(tx *Tx) error { _, err := tx.HasRow(Row("dossiers", row)); return err })
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				tables = len(s.tables.Tables)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(tables), "tables")
		})
	}
}
