// Command storepeers does one piece of work on three stores, each in a process of
// its own: the node's store as the product has it (encrypted, every value MACed,
// heads outside), bbolt and SQLite. It is a module of its own, so that what it
// compares with never becomes part of the product.
//
// The work: so many records of about 500 bytes, each with one row of an index by
// time, 32 to a durable transaction; then single reads, pages of 100 by the index,
// and single durable writes.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// peer is a store under test. Write is durable when it returns.
type peer interface {
	Write(rows []row) error
	Get(key []byte) ([]byte, error)
	Page(from []byte, n int) (int, error) // records read by the index
	Close() error
}

// row is a record and its place in the index.
type row struct{ key, index, value []byte }

var peers = map[string]func(dir string) (peer, error){"vungxa": openVungxa, "bbolt": openBolt, "sqlite": openSQLite}

const batch = 32

func main() {
	records := flag.Int("records", 1_000_000, "how many records")
	dir := flag.String("dir", os.TempDir(), "on the disk to measure")
	one := flag.String("one", "", "run one peer in this process")
	flag.Parse()
	if err := run(*records, *dir, *one); err != nil {
		fmt.Fprintln(os.Stderr, "storepeers:", err)
		os.Exit(1)
	}
}

func run(records int, dir, one string) error {
	if one != "" {
		return work(one, dir, records)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range []string{"vungxa", "bbolt", "sqlite"} {
		at, err := os.MkdirTemp(dir, "storepeers-")
		if err != nil {
			return err
		}
		cmd := exec.Command(self, "-one", name, "-dir", at, "-records", fmt.Sprint(records))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := errors.Join(cmd.Run(), os.RemoveAll(at)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// work does all of it on one store, and tells what it cost.
func work(name, dir string, records int) error {
	p, err := peers[name](filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	tell := func(figure string, value float64, unit string) {
		_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"peer": name, "name": figure, "value": value, "unit": unit})
	}
	memory := watch()
	began := time.Now()
	for i := 0; i < records; i += batch {
		var rows []row
		for j := i; j < min(i+batch, records); j++ {
			rows = append(rows, record(j))
		}
		if err := p.Write(rows); err != nil {
			return err
		}
	}
	tell("load", float64(records)/time.Since(began).Seconds(), "records/s")
	tell("anonymous_loading", memory(), "MiB")
	if err := reads(p, records, tell); err != nil {
		return err
	}
	times, err := timed(500, func(i int) error { return p.Write([]row{record(records + i)}) })
	if err != nil {
		return err
	}
	tell("write_p50", percentile(times, 50), "µs")
	tell("write_p99", percentile(times, 99), "µs")
	if err := p.Close(); err != nil {
		return err
	}
	size, err := diskSize(dir)
	tell("disk", size/(1<<20), "MiB")
	return err
}

func reads(p peer, records int, tell func(string, float64, string)) error {
	chance := rand.New(rand.NewPCG(1, 0))
	gets, err := timed(20_000, func(int) error {
		want := record(chance.IntN(records))
		if got, err := p.Get(want.key); err != nil || !bytes.Equal(got, want.value) {
			return fmt.Errorf("it gave %d bytes, want %d: %w", len(got), len(want.value), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	pages, err := timed(300, func(int) error {
		n, err := p.Page(record(100+chance.IntN(records-100)).index, 100)
		if err == nil && n != 100 {
			err = fmt.Errorf("a page of %d", n)
		}
		return err
	})
	tell("get_p50", percentile(gets, 50), "µs")
	tell("get_p99", percentile(gets, 99), "µs")
	tell("page_p50", percentile(pages, 50), "µs")
	tell("page_p99", percentile(pages, 99), "µs")
	return err
}

// record is the i-th record: a key that lies anywhere, as a hash does, an index by
// falling time, and text that compresses as an office's does.
func record(i int) row {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Uint64()), r.Uint64())
	index := append(binary.BigEndian.AppendUint64(nil, uint64(1<<40-i)), key...)
	value := fmt.Appendf(nil, `{"MaHoSo":"HS-%07d","MaTTHC":"2.000815","TenTTHC":"Chứng thực bản sao từ bản chính giấy tờ, văn bản","ChuHoSo":"Người Mẫu Số %d","SoDienThoai":"09%08d","DiaChi":"Xóm %d, xã mẫu, dữ liệu không có thật","NgayNop":%d,"NgayTiepNhan":%d,"NgayHenTra":%d,"TrangThaiHoSo":"%d","ThanhPhanHoSo":["Tờ khai đăng ký khai sinh theo mẫu","Giấy chứng sinh"],"dấu":"`,
		i, i, r.IntN(1e8), r.IntN(40), r.IntN(1e13), r.IntN(1e13), r.IntN(1e13), r.IntN(10))
	return row{key, index, fmt.Appendf(value, `%016x"}`, r.Uint64())}
}

func timed(n int, f func(i int) error) (took []time.Duration, err error) {
	for i := range n {
		began := time.Now()
		if err := f(i); err != nil {
			return took, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

func percentile(d []time.Duration, p int) float64 {
	slices.Sort(d)
	return float64(d[(len(d)-1)*p/100]) / float64(time.Microsecond)
}

// watch follows this process's anonymous memory, and gives its peak in MiB.
func watch() (peak func() float64) {
	quit, out := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			b, _ := os.ReadFile("/proc/self/status") // elsewhere: no figure
			_, rest, _ := bytes.Cut(b, []byte("RssAnon:"))
			var kib float64
			if _, err := fmt.Sscan(string(rest), &kib); err == nil {
				most = max(most, kib/1024)
			}
			select {
			case <-quit:
				out <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() float64 { close(quit); return <-out }
}

func diskSize(dir string) (size float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			size += float64(s.Blocks) * 512
		}
		return nil
	})
	return size, err
}
