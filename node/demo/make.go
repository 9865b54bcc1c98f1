package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/sample"
)

// Make makes a whole demo in a directory: the nodes, and on the office's box the
// half year before now, as its officers would have saved it.
func Make(ctx context.Context, dir string, seed uint64, now time.Time, rand io.Reader, log *slog.Logger) error {
	if err := Provision(dir, rand); err != nil {
		return err
	}
	if err := fill(ctx, filepath.Join(dir, "box"), seed, now, rand, log); err != nil {
		return fmt.Errorf("fill the sample office: %w", err)
	}
	return Finish(dir)
}

// savesTogether is how many generated records make one save: an officer at the
// end of a morning.
const savesTogether = 20

func fill(ctx context.Context, dir string, seed uint64, now time.Time, rand io.Reader, log *slog.Logger) (err error) {
	clock := now
	office, err := daemon.OpenOffice(dir, daemon.Options{Now: func() time.Time { return clock }, Rand: rand, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, office.Close()) }()
	var waiting []sample.Record
	save := func() error {
		s := engine.Save{Officer: waiting[0].Officer, Class: crdt.ClassRecords}
		for _, r := range waiting {
			s.Changes = append(s.Changes, engine.Change{Collection: r.Collection, Values: r.Values})
		}
		clock = waiting[len(waiting)-1].At
		_, err := office.Engine().Save(ctx, s)
		waiting = waiting[:0]
		return err
	}
	for r := range sample.Generate(seed, now, office.Pack()) {
		if len(waiting) == savesTogether || len(waiting) > 0 && waiting[0].Officer != r.Officer {
			if err := save(); err != nil {
				return err
			}
		}
		waiting = append(waiting, r)
	}
	if len(waiting) == 0 {
		return nil
	}
	return save()
}
