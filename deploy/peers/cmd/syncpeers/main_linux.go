// Command syncpeers measures what meeting costs PouchDB and Automerge: on the lines,
// with the records and edits, and counted as `vungxa bench sync` does it for the
// program itself (package linetest: two network namespaces, every IP packet counted).
// The ends are deploy/peers/sync; it fails unless both hold in the end what they
// should.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/vungxa/vungxa/sync/linetest/line"
)

// options say what is measured.
type options struct {
	work, ends string // file of TestEditsForPeers, and folder of end.mjs
	dir        string
	peers      []string
	lines      []string // where what is small is measured
	large      []string // where the first exchange of many is
	up, down   string   // the drive's trace
	congestion string
	limit      time.Duration
	seed       uint64
}

// Names of the lines, as `vungxa bench sync` has them.
const (
	ruler     = "ruler"
	lan       = "lan"
	slow      = "64kbit_300ms_5pct"
	satellite = "64kbit_1500ms_10pct"
	drive     = "umts_drive"
)

var lineNames = []string{ruler, lan, slow, satellite, drive}

// rulerRoundTrip is what a round trip takes on the ruler, which has no other fault.
const rulerRoundTrip = 500 * time.Millisecond

func main() {
	var o options
	list := func(to *[]string, name, value, what string) {
		*to = strings.Split(value, ",")
		flag.Func(name, what+" (default "+value+")", func(s string) error { *to = strings.Split(s, ","); return nil })
	}
	flag.StringVar(&o.work, "work", "", "what to save: the file that TestEditsForPeers of node/bench writes")
	flag.StringVar(&o.ends, "ends", "sync", "where end.mjs is")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where a temporary directory is made")
	list(&o.peers, "peers", "pouchdb,automerge,automerge-each", "whom to measure")
	list(&o.lines, "lines", strings.Join(lineNames, ","), "on which lines to measure what is small; none: nowhere")
	list(&o.large, "large", lan+","+slow, "on which lines to measure the first exchange of many records; none: nowhere")
	flag.StringVar(&o.up, "up", "", "trace of the drive's line up; none: no drive")
	flag.StringVar(&o.down, "down", "", "and down")
	flag.StringVar(&o.congestion, "congestion", "bbr", "TCP's congestion control; the program's own is bbr")
	flag.DurationVar(&o.limit, "limit", 30*time.Minute, "after which a measurement is given up, and told as such")
	flag.Uint64Var(&o.seed, "seed", 1, "of losses")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "syncpeers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	lines, err := o.shapes()
	if err != nil {
		return err
	}
	for _, peer := range o.peers {
		for _, name := range slices.Concat(o.lines, o.large) {
			if _, ok := lines[name]; !ok && name != "none" {
				fmt.Fprintf(os.Stderr, "skipped: %s: no such line, or no trace for it (-up, -down)\n", name)
			}
		}
		for _, name := range lineNames {
			if shape, ok := lines[name]; ok {
				if err := o.measure(ctx, peer, name, shape); err != nil {
					return fmt.Errorf("%s on %s: %w", peer, name, err)
				}
			}
		}
	}
	return nil
}

// shapes are the lines that can be measured on.
func (o options) shapes() (map[string]line.Both, error) {
	plain := line.Shape{Delay: rulerRoundTrip / 2}
	all := map[string]line.Both{
		ruler: {Up: plain, Down: plain}, lan: line.LAN, slow: line.Slow, satellite: line.Satellite,
	}
	if o.up == "" || o.down == "" {
		return all, nil
	}
	var traces [2]*line.Trace
	for i, name := range []string{o.up, o.down} {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		traces[i], err = line.ReadTrace(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	all[drive] = line.Drive(traces[0], traces[1])
	return all, nil
}

// measure does what is to be measured on one line.
func (o options) measure(ctx context.Context, peer, name string, shape line.Both) error {
	m := &meeting{options: o, peer: peer, name: name, shape: shape}
	if slices.Contains(o.lines, name) {
		if err := m.with(ctx, m.small); err != nil {
			return err
		}
	}
	if slices.Contains(o.large, name) {
		return m.with(ctx, m.first)
	}
	return nil
}

// tell prints a figure as `vungxa bench` does.
func (m *meeting) tell(what, figure string, value float64, unit string) {
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{ // a closed pipe ends the program elsewhere
		"name": strings.Join([]string{m.peer, m.name, what, figure}, "/"), "value": value, "unit": unit,
	})
}
