package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vungxa/vungxa/sync/linetest"
	"github.com/vungxa/vungxa/sync/linetest/line"
)

// syncCase is one line to measure on.
type syncCase struct {
	name string
	line line.Both
}

// carriers are ways for two nodes to meet. Each is measured on each line: the program
// itself runs, twice, at the ends of an emulated line, in real time.
var carriers = []struct {
	name    string
	measure func(ctx context.Context, r *syncRun, carrier string, on syncCase) error
}{{carrierLibp2p, overProgram}, {carrierThin, overProgram}}

// syncRun is one run of Sync.
type syncRun struct {
	SyncOptions
	report Report
	dir    string // temporary
	office string // a box with the records, at rest; a copy is taken for each line
}

// Sync measures what meeting costs: bytes on the line with the headers of IP and TCP
// or UDP, both ways together, and time; on the ruler, round trips. What is measured:
//
//	first_meeting  a box and a province that have nothing and never met, to the end of it
//	idle_cold      no connection is there, both remember each other, nothing is new
//	idle_resumed   the connection stands, nothing is new, one minute
//	one_edit       the connection stands, one field of one record, until the receipt is there
//	300_saves      no connection is there; 300 edits of 100 records, each its own Save, until the receipt is there
//	after_cut      the line was away for 20 seconds, in which one edit was made, until its receipt is there
//	first_N_records  the first exchange of so many records, each its own Save
func Sync(ctx context.Context, o SyncOptions, report Report) (err error) {
	dir, err := os.MkdirTemp(o.Dir, "vungxa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &syncRun{SyncOptions: o, report: report, dir: dir}
	cases, err := r.cases()
	if err != nil {
		return err
	}
	if r.over(carrierBundle) {
		if err := overBundle(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", carrierBundle, err)
		}
	}
	for _, c := range carriers {
		if !r.over(c.name) {
			continue
		}
		for _, on := range cases {
			err := c.measure(ctx, r, c.name, on)
			if errors.Is(err, linetest.ErrMissing) {
				r.Skipped(c.name+"/"+on.name, err.Error())
				continue
			}
			if err != nil {
				return fmt.Errorf("%s on %s: %w", c.name, on.name, err)
			}
		}
	}
	return nil
}

// over says whether a carrier was asked for.
func (r *syncRun) over(carrier string) bool {
	return len(r.Carriers) == 0 || slices.Contains(r.Carriers, carrier)
}

// cases are the lines that were asked for.
func (r *syncRun) cases() (all []syncCase, err error) {
	ruler := line.Shape{Delay: rulerRoundTrip / 2}
	lines := map[string]line.Both{lineRuler: {Up: ruler, Down: ruler}, lineLAN: line.LAN, lineSlow: line.Slow, lineSatellite: line.Satellite}
	if r.Up != "" && r.Down != "" {
		if lines[lineDrive], err = readDrive(r.Up, r.Down); err != nil {
			return nil, err
		}
	}
	for _, name := range SyncLines {
		if len(r.Lines) > 0 && !slices.Contains(r.Lines, name) {
			continue
		}
		both, ok := lines[name]
		if !ok {
			r.Skipped(name, errNoTrace.Error())
			continue
		}
		all = append(all, syncCase{name, both})
	}
	return all, nil
}

func readDrive(up, down string) (line.Both, error) {
	var traces [2]*line.Trace
	for i, name := range []string{up, down} {
		f, err := os.Open(name)
		if err != nil {
			return line.Both{}, err
		}
		traces[i], err = line.ReadTrace(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return line.Both{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return line.Drive(traces[0], traces[1]), nil
}

// rulerRoundTrip is what a round trip takes on the ruler.
const rulerRoundTrip = 500 * time.Millisecond

// cost is what something has cost on a line.
type cost struct {
	up, down linetest.Count
	took     time.Duration
}

// tell reports a cost.
func (r *syncRun) tell(carrier string, on syncCase, what string, c cost, limit *float64) {
	name := carrier + "/" + on.name + "/" + what + "/"
	if carrier != carrierThin {
		limit = nil // the budgets are the thin link's
	}
	if on.name == lineRuler {
		r.report(Figure{Name: name + "round_trips", Value: c.took.Seconds() / rulerRoundTrip.Seconds(), Unit: "round trips"})
		return
	}
	r.report(Figure{Name: name + "bytes", Value: float64(c.up.Bytes + c.down.Bytes), Unit: "B", Budget: limit})
	r.report(Figure{Name: name + "bytes_up", Value: float64(c.up.Bytes), Unit: "B"})
	r.report(Figure{Name: name + "packets", Value: float64(c.up.Packets + c.down.Packets), Unit: "packets"})
	r.report(Figure{Name: name + "lost", Value: float64(c.up.Gone + c.down.Gone), Unit: "packets"})
	r.report(Figure{Name: name + "time", Value: c.took.Seconds(), Unit: "s"})
}

// copyTree copies a directory that nobody writes.
func copyTree(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(to, path[len(from):])
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(at, info.Mode().Perm())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, info.Mode().Perm())
	})
}
