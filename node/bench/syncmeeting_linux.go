package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/sample"
	"github.com/vungxa/vungxa/sync/linetest"
	"github.com/vungxa/vungxa/sync/linetest/line"
)

// meeting is a box at one end of an emulated line and a province at the other.
type meeting struct {
	run      *syncRun
	carrier  string
	on       syncCase
	line     *linetest.Emulator
	dir      string
	box      *nodeProcess // nil while it doesn't run
	province *nodeProcess
	measured uint64 // so far: each measurement has losses of its own
}

// overProgram measures on one line with the program itself, twice.
func overProgram(ctx context.Context, r *syncRun, carrier string, on syncCase) (err error) {
	e, err := linetest.New(r.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	m := &meeting{run: r, carrier: carrier, on: on, line: e, dir: filepath.Join(r.dir, "small")}
	if err := m.small(ctx); err != nil {
		return err
	}
	if on.name == lineRuler {
		return nil // many records are no matter of round trips
	}
	m.dir = filepath.Join(r.dir, "large")
	return m.large(ctx)
}

// small measures what is small: two nodes that have nothing at first.
func (m *meeting) small(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := errors.Join(os.RemoveAll(m.dir), demo.Provision(m.dir, rand.Reader)); err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	if err := m.meet(ctx, "first_meeting", nil); err != nil {
		return err
	}
	records, err := m.saveSome(ctx)
	if err != nil {
		return err
	}
	if err := m.part(ctx); err != nil {
		return err
	}
	if err := m.meet(ctx, "idle_cold", budget(budgetIdle)); err != nil {
		return err
	}
	for _, step := range []func(context.Context, []*edited) error{m.minute, m.edit, m.saves, m.cut} {
		if err := step(ctx, records); err != nil {
			return err
		}
	}
	return nil
}

// minute measures a minute of a connection on which nothing is to be said.
func (m *meeting) minute(ctx context.Context, _ []*edited) error {
	began := m.run.Now()
	up, down := m.line.Counts()
	err := m.until(ctx, func() (bool, error) { return m.run.Now().Sub(began) >= time.Minute, nil })
	if err != nil || m.on.name == lineRuler {
		return err
	}
	c := m.since(up, down)
	c.took = m.run.Now().Sub(began)
	m.run.tell(m.carrier, m.on, "idle_resumed", c, nil)
	return nil
}

// edit measures one edit while the connection stands.
func (m *meeting) edit(ctx context.Context, records []*edited) error {
	return m.measure(ctx, "one_edit", budget(budgetEdit), func() error { return records[0].change(ctx, m.box.page) })
}

// saves measures many Saves that were made while there was no connection.
func (m *meeting) saves(ctx context.Context, records []*edited) error {
	if err := m.part(ctx); err != nil {
		return err
	}
	for i := range savesOffline {
		if err := records[i%len(records)].change(ctx, m.box.page); err != nil {
			return err
		}
	}
	return m.meet(ctx, "300_saves", budget(budgetSaves))
}

// cut measures how a connection goes on after the line was away.
func (m *meeting) cut(ctx context.Context, records []*edited) error {
	m.line.Cut(true)
	if err := records[0].change(ctx, m.box.page); err != nil {
		return err
	}
	began := m.run.Now()
	if err := m.until(ctx, func() (bool, error) { return m.run.Now().Sub(began) >= cutFor, nil }); err != nil {
		return err
	}
	return m.measure(ctx, "after_cut", nil, func() error {
		m.line.Cut(false)
		return nil
	})
}

const cutFor = 20 * time.Second

// edited is a record that is changed again and again.
type edited struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	times   int
}

// change saves another address of the applicant.
func (e *edited) change(ctx context.Context, at *browser) error {
	e.times++
	return at.ask(ctx, http.MethodPatch, "/collections/dossiers/records/"+e.ID, map[string]any{"version": e.Version, "values": newAddress(e.times)}, e)
}

// saveSome saves the records that are changed later, over a line that is quick.
func (m *meeting) saveSome(ctx context.Context) (all []*edited, err error) {
	m.line.Shape(line.Both{}, 0)
	for i := range savesRecords {
		e := &edited{}
		err := m.box.page.post(ctx, "/collections/dossiers/records", map[string]any{"values": presented(fullDossier(i))}, e)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, m.together(ctx)
}

// large measures the first exchange of many records.
func (m *meeting) large(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := m.run.fillOffice(ctx); err != nil {
		return err
	}
	if err := copyTree(m.run.office, m.dir); err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	return m.meet(ctx, fmt.Sprintf("first_%d_records", m.run.Records), nil)
}

// begin starts both nodes, without a connection.
func (m *meeting) begin(ctx context.Context) (err error) {
	if err := m.address(); err != nil {
		return err
	}
	m.line.Cut(true)
	if m.province, err = m.start(ctx, "province", m.line.B); err != nil {
		return err
	}
	if m.box, err = m.start(ctx, "box", m.line.A); err != nil {
		return err
	}
	return m.part(ctx)
}

// fillOffice makes the box with the records, once.
func (r *syncRun) fillOffice(ctx context.Context) (err error) {
	if r.office != "" {
		return nil
	}
	office := filepath.Join(r.dir, "office")
	if err := demo.Provision(office, rand.Reader); err != nil {
		return err
	}
	now := r.Now()
	clock := now
	d, err := daemon.OpenOffice(filepath.Join(office, "box"), daemon.Options{
		Now: func() time.Time { return clock }, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for n, seed := 0, r.Seed; n < r.Records; seed++ {
		for made := range sample.Generate(seed, now, d.Pack()) {
			clock = made.At
			_, err := d.Engine().Save(ctx, engine.Save{
				Officer: made.Officer, Class: crdt.ClassRecords,
				Changes: []engine.Change{{Collection: made.Collection, Values: made.Values}},
			})
			if err != nil {
				return err
			}
			if n++; n == r.Records {
				break
			}
		}
	}
	r.office = office
	return nil
}

const syncPort = "8703"

// address gives the two nodes their places on the line; their pages are at their own
// loopbacks.
func (m *meeting) address() error {
	province, err := daemon.ReadDevice(filepath.Join(m.dir, "province"))
	if err != nil {
		return err
	}
	box, err := daemon.ReadDevice(filepath.Join(m.dir, "box"))
	if err != nil {
		return err
	}
	for name, c := range map[string]struct {
		end  *linetest.End
		peer daemon.Peer
	}{
		"province": {m.line.B, daemon.Peer{Device: box.String()}},
		"box":      {m.line.A, daemon.Peer{Device: province.String(), Address: net.JoinHostPort(m.line.B.Address, syncPort)}},
	} {
		config, err := daemon.ReadConfig(filepath.Join(m.dir, name))
		if err != nil {
			return err
		}
		own := net.JoinHostPort(c.end.Address, syncPort)
		config.HTTP, config.Sync, config.MDNSOff = "127.0.0.1:8700", own, true
		if m.carrier == carrierThin {
			config.Thin, c.peer.Address, c.peer.Thin = own, "", c.peer.Address
		}
		config.Peers = []daemon.Peer{c.peer}
		if err := config.Write(filepath.Join(m.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (m *meeting) start(ctx context.Context, name string, at *linetest.End) (*nodeProcess, error) {
	return startNodeAt(ctx, filepath.Join(m.dir, name), m.run.Now, at.Wrap(), &http.Transport{DialContext: at.Dial})
}

func (m *meeting) stop() (err error) {
	for _, n := range []*nodeProcess{m.box, m.province} {
		if n != nil {
			err = errors.Join(err, n.stop())
		}
	}
	m.box, m.province = nil, nil
	return err
}

// lineStatus is what a node says of its line and of what it has to send.
type lineStatus struct {
	Peers []struct {
		Device    string `json:"device"`
		Connected bool   `json:"connected"`
	} `json:"peers"`
	Unsent struct {
		Count int `json:"count"`
	} `json:"unsent"`
}

func (m *meeting) status(ctx context.Context) (s lineStatus, err error) {
	err = m.box.page.ask(ctx, http.MethodGet, "/node", nil, &s)
	if err == nil && len(s.Peers) != 1 {
		err = fmt.Errorf("the box has %d lines; want one", len(s.Peers))
	}
	return s, err
}

// together waits until the box is connected and everything is received.
func (m *meeting) together(ctx context.Context) error {
	return m.until(ctx, func() (bool, error) {
		s, err := m.status(ctx)
		return err == nil && s.Peers[0].Connected && s.Unsent.Count == 0, err
	})
}

// quiet waits until nothing is said on the line for as long as a lost packet takes.
func (m *meeting) quiet(ctx context.Context) error {
	rest := 2*time.Second + 6*m.on.line.Up.Delay
	return m.until(ctx, func() (bool, error) { return m.line.Quiet() > rest, nil })
}

func (m *meeting) until(ctx context.Context, holds func() (bool, error)) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// part ends the connection, and waits until the line is at rest.
func (m *meeting) part(ctx context.Context) error {
	if err := m.setCut(ctx, true); err != nil {
		return err
	}
	return m.quiet(ctx)
}

// meet lets two that have parted meet, and measures that.
func (m *meeting) meet(ctx context.Context, what string, limit *float64) error {
	m.line.Cut(false)
	return m.measure(ctx, what, limit, func() error { return m.setCut(ctx, false) })
}

// setCut lets the box drop its line and call no more, or call at once.
func (m *meeting) setCut(ctx context.Context, cut bool) error {
	s, err := m.status(ctx)
	if err != nil {
		return err
	}
	return m.box.page.post(ctx, "/demo/lines/"+s.Peers[0].Device, map[string]any{"cut": cut}, nil)
}

// measure tells what it costs from when something is done until the two are together
// and nothing more is said.
func (m *meeting) measure(ctx context.Context, what string, limit *float64, do func() error) error {
	if err := m.quiet(ctx); err != nil {
		return err
	}
	m.measured++
	m.line.Shape(m.on.line, m.run.Seed<<16+m.measured)
	began := m.run.Now()
	up, down := m.line.Counts()
	if err := do(); err != nil {
		return err
	}
	if err := m.together(ctx); err != nil {
		return err
	}
	ended := m.run.Now()
	if err := m.quiet(ctx); err != nil {
		return err
	}
	c := m.since(up, down)
	c.took = ended.Sub(began)
	m.run.tell(m.carrier, m.on, what, c, limit)
	return nil
}

// since is what was sent since a count.
func (m *meeting) since(up, down linetest.Count) cost {
	upNow, downNow := m.line.Counts()
	return cost{up: upNow.Sub(up), down: downNow.Sub(down)}
}
