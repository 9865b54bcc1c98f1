package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
)

// sticks carries between a box and a province that have no line.
type sticks struct {
	run      *syncRun
	dir      string // of both
	province string // its device
	trips    int
}

// overBundle measures what a stick carries there and back, in the bytes of its files. No
// line has a part in it.
func overBundle(ctx context.Context, r *syncRun) error {
	s := &sticks{run: r, dir: filepath.Join(r.dir, "sticks")}
	if err := demo.Provision(s.dir, rand.Reader); err != nil {
		return err
	}
	if err := s.name(); err != nil {
		return err
	}
	var records []crdt.RecordID
	for _, step := range []struct {
		name  string
		saves int
	}{{"first_100_records", savesRecords}, {"idle_cold", 0}, {"one_edit", 1}, {"300_saves", savesOffline}} {
		err := s.at(ctx, "box", func(d *daemon.Daemon) error {
			for i := range step.saves {
				change := engine.Change{Collection: "dossiers", Values: fullDossier(i)}
				if len(records) == savesRecords {
					change.Record, change.Values = &records[i%savesRecords], newAddress(s.trips*1000+i)
				}
				ids, err := d.Engine().Save(ctx, engine.Save{Officer: "bench", Class: crdt.ClassRecords, Changes: []engine.Change{change}})
				if err != nil {
					return err
				}
				if change.Record == nil {
					records = append(records, ids...)
				}
			}
			return nil
		})
		if err == nil {
			err = s.trip(ctx, step.name)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(r.fillOffice(ctx), copyTree(r.office, s.dir)); err != nil {
		return err
	}
	if err := s.name(); err != nil {
		return err
	}
	return s.trip(ctx, fmt.Sprintf("first_%d_records", r.Records))
}

// name finds out the province's device.
func (s *sticks) name() error {
	device, err := daemon.ReadDevice(filepath.Join(s.dir, "province"))
	s.province = device.String()
	return err
}

// at opens a node as the command line does for a stick.
func (s *sticks) at(ctx context.Context, node string, f func(*daemon.Daemon) error) (err error) {
	d, err := daemon.OpenSticks(filepath.Join(s.dir, node), daemon.Options{Now: s.run.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return f(d)
}

// trip carries a stick to the province and back with the receipt.
func (s *sticks) trip(ctx context.Context, what string) error {
	s.trips++
	stick := filepath.Join(s.run.dir, fmt.Sprint("stick", s.trips))
	if err := os.Mkdir(stick, 0o700); err != nil {
		return err
	}
	began := s.run.Now()
	err := s.at(ctx, "box", func(d *daemon.Daemon) error {
		_, err := d.ExportStick(ctx, daemon.StickOrder{Path: stick, To: []string{s.province}})
		return err
	})
	there, sizeErr := files(stick)
	if err = errors.Join(err, sizeErr); err != nil {
		return err
	}
	up, down := total(there), int64(0)
	for _, node := range []string{"province", "box"} {
		err := s.at(ctx, node, func(d *daemon.Daemon) error {
			_, err := d.ImportStick(ctx, daemon.StickOrder{Path: stick, Answer: node == "province"})
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", node, err)
		}
		if node == "province" {
			back, err := files(stick)
			if err != nil {
				return err
			}
			maps.DeleteFunc(back, func(name string, _ int64) bool { return there[name] != 0 })
			down = total(back)
		}
	}
	name := carrierBundle + "/stick/" + what + "/"
	s.run.report(Figure{Name: name + "bytes", Value: float64(up + down), Unit: "B"})
	s.run.report(Figure{Name: name + "bytes_up", Value: float64(up), Unit: "B"})
	s.run.report(Figure{Name: name + "time", Value: s.run.Now().Sub(began).Seconds(), Unit: "s"})
	return nil
}

// files are the sizes of a directory's files.
func files(dir string) (map[string]int64, error) {
	entries, err := os.ReadDir(dir)
	sizes := map[string]int64{}
	for _, e := range entries {
		info, infoErr := e.Info()
		if infoErr != nil {
			return nil, infoErr
		}
		sizes[e.Name()] = info.Size()
	}
	return sizes, err
}

func total(sizes map[string]int64) (n int64) {
	for _, size := range sizes {
		n += size
	}
	return n
}
