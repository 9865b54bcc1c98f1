package daemon_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/engine"
)

// provision makes the directories of a demonstration without its records.
func provision(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := errors.Join(demo.Provision(dir, rand.Reader), demo.Address(dir, "127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, dir string) *daemon.Daemon {
	t.Helper()
	d, err := daemon.New(dir, daemon.Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Who was taken off the list of node.json is forgotten at the next start.
func TestOfficersFollowTheConfiguration(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	c, err := daemon.ReadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, officers := range [][]daemon.Officer{{{ID: "lan", Name: "Lan"}, {ID: "hoa", Name: "Hoa"}}, {{ID: "hoa", Name: "Hoa"}}} {
		c.Officers = officers
		if err := c.Write(dir); err != nil {
			t.Fatal(err)
		}
		d := open(t, dir)
		stored, err := d.Engine().Local("officers", "all")
		if err = errors.Join(err, d.Close()); err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(string(stored), "lan"); has != (i == 0) {
			t.Errorf("start %d: the officer is stored: %v", i, has)
		}
	}
}

// A receipt of the province says at which raft index it was signed.
func TestTheProvincesReceiptNamesItsIndex(t *testing.T) {
	dir := provision(t)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var box *daemon.Daemon
	for _, name := range []string{"province", "box"} {
		d := open(t, filepath.Join(dir, name))
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := errors.Join(<-ended, d.Close()); err != nil {
				t.Error(err)
			}
		})
		box = d
	}
	_, err := box.Engine().Save(ctx, engine.Save{Officer: "mot-cua", Class: crdt.ClassRecords, Changes: []engine.Change{{
		Collection: "petitions", Values: map[string]any{"NoiDung": "Đường hỏng", "NgayTiepNhan": time.Now().UnixMilli()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for {
		changed := box.Engine().Changed()
		receipts, err := box.Engine().Receipts(demo.Scope())
		if err != nil {
			t.Fatal(err)
		}
		if len(receipts) > 0 {
			if receipts[0].Index == 0 || receipts[0].HubEpoch == 0 {
				t.Errorf("epoch %d, index %d; want raft's", receipts[0].HubEpoch, receipts[0].Index)
			}
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("no receipt came")
		}
	}
}

// Certificates that came over the lines are known at the next start.
func TestStoredCertificatesAreKnown(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	files, err := filepath.Glob(filepath.Join(dir, "certificates", "*.cose"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	d := open(t, dir)
	for _, name := range files {
		cert, err := os.ReadFile(name)
		if err = errors.Join(err, d.Engine().StoreCertificate(cert), os.Remove(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir)
	if n := len(d.Certified()); n != len(demo.Nodes) {
		t.Errorf("%d devices are known; want %d", n, len(demo.Nodes))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
