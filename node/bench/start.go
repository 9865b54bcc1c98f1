package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
)

// Start times the program itself, a process of its own: from its start to the
// moment at which it says that it is ready, and to the first page of a list over
// HTTP, of a box with so many dossiers that was closed cleanly.
func Start(ctx context.Context, dir string, records int, now func() time.Time, report Report) (err error) {
	dir, err = os.MkdirTemp(dir, "vungxa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := demo.Provision(dir, rand.Reader); err != nil {
		return err
	}
	box := filepath.Join(dir, "box")
	began := now()
	if err := fillOffice(ctx, box, records, now); err != nil {
		return err
	}
	report(Figure{Name: "fill", Value: float64(records) / now().Sub(began).Seconds(), Unit: "records/s", AtLeast: true})
	if err := demo.Address(dir, "127.0.0.1:0"); err != nil {
		return err
	}
	var ready, page []time.Duration
	for range 5 {
		r, p, err := startOnce(ctx, box, records, now)
		if err != nil {
			return err
		}
		ready, page = append(ready, r), append(page, p)
	}
	report(Figure{Name: fmt.Sprintf("start_to_ready_%d", records), Value: percentile(ready, 50, time.Millisecond), Unit: "ms"})
	report(Figure{Name: fmt.Sprintf("start_to_first_page_%d", records), Value: percentile(page, 50, time.Millisecond), Unit: "ms", Budget: budget(1000)})
	report(Figure{Name: fmt.Sprintf("start_to_first_page_%d_worst", records), Value: percentile(page, 100, time.Millisecond), Unit: "ms"})
	return nil
}

func fillOffice(ctx context.Context, dir string, records int, now func() time.Time) (err error) {
	office, err := daemon.OpenOffice(dir, daemon.Options{Now: now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, office.Close()) }()
	const batch = crdt.MaxRecords
	for i := 0; i < records; i += batch {
		var rows []engine.Row
		for j := i; j < min(i+batch, records); j++ {
			rows = append(rows, engine.Row{Key: fmt.Sprint(j), Values: dossierValues(j, now().Add(-time.Duration(j)*time.Minute))})
		}
		if _, err := office.Engine().Upsert(ctx, "bench", "dossiers", rows, false); err != nil {
			return err
		}
	}
	return nil
}

// startOnce starts the program on a box, signs in and asks for a page.
func startOnce(ctx context.Context, box string, records int, now func() time.Time) (ready, page time.Duration, err error) {
	n, err := startNode(ctx, box, now)
	if err != nil {
		return 0, 0, err
	}
	if n.total != records {
		err = fmt.Errorf("the list has %d records; want %d", n.total, records)
	}
	return n.ready, n.answered, errors.Join(err, n.stop())
}

// browser is as much of one as a measurement needs.
type browser struct {
	client http.Client
	base   string
	secret string
}

func (b *browser) post(ctx context.Context, path string, body, answer any) error {
	return b.ask(ctx, http.MethodPost, path, body, answer)
}

func (b *browser) ask(ctx context.Context, method, path string, body, answer any) (err error) {
	var encoded []byte
	if body != nil {
		if encoded, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, b.base+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Vungxa-Session", b.secret)
	a, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Body.Close()) }()
	answered, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	if a.StatusCode >= 300 {
		return fmt.Errorf("%s: %s: %s", path, a.Status, answered)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(answered, answer)
}
