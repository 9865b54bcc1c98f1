//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/sync/linetest"
	"github.com/vungxa/vungxa/sync/linetest/line"
)

// TestSlowLine lets a box and a province meet over 64 kbit/s with 300 ms and 5 % loss:
// the whole program at both ends, over libp2p and TCP. Once they are connected the
// connection stays, while a morning's dossiers go up; when the line has been away it
// comes back by itself; and all of it costs what it may.
func TestSlowLine(t *testing.T) {
	e, err := linetest.New(time.Now)
	if errors.Is(err, linetest.ErrMissing) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	e.Shape(line.Slow, *seed)
	c := newCommune(t)
	c.box.end, c.province.end = e.A, e.B
	const port = "8703"
	for _, p := range []*place{c.box, c.province} {
		c.reconfigure(p, func(cfg *daemon.Config) {
			cfg.HTTP, cfg.Sync, cfg.MDNSOff = "127.0.0.1:8700", net.JoinHostPort(p.end.Address, port), true
			cfg.Peers = cfg.Peers[:1] // of the box the province, of the province the box
			if p == c.box {
				cfg.Peers[0].Address = net.JoinHostPort(e.B.Address, port)
			}
		})
	}
	c.run(c.province, c.box)
	eventually(t, "a connection", c.connected)
	const dossiers = 40
	c.saveDossiers(dossiers)
	eventually(t, "the morning's dossiers at the province", func() error {
		if err := c.connected(); err != nil {
			t.Fatalf("the connection did not stay: %v", err)
		}
		return c.unsent()
	})
	e.Cut(true)
	c.saveDossiers(1)
	e.Cut(false)
	eventually(t, "the dossier of when the line was away", c.unsent)
	up, down := e.Counts()
	t.Logf("sent up %+v, down %+v", up, down)
	// A meeting of two that never met, some 100 bytes a dossier with what is lost, receipts.
	if most := 12_000 + dossiers*300; up.Bytes+down.Bytes > most {
		t.Errorf("%d bytes up and %d down; want at most %d together", up.Bytes, down.Bytes, most)
	}
	c.stop(c.box, c.province)
}

func (c *commune) saveDossiers(n int) {
	c.t.Helper()
	for i := range n {
		_, err := c.box.page.create("dossiers", values{
			"MaTTHC": "2.000815", "ChuHoSo": fmt.Sprintf("Nông Văn Mẫu %d", i), "TrangThaiHoSo": "2", "NgayTiepNhan": "2025-03-04T03:00:00Z",
		})
		c.must(err)
	}
}

// connected says whether the box has its line to the province.
func (c *commune) connected() error {
	at, err := c.box.page.line("province")
	if err == nil && !at.Connected {
		err = fmt.Errorf("no connection: %s", at.WhyNot)
	}
	return err
}

// unsent says whether the box has anything that the province is not known to hold.
func (c *commune) unsent() error {
	s, err := c.box.page.status()
	if err == nil && s.Unsent.Count > 0 {
		err = fmt.Errorf("%d saves unsent", s.Unsent.Count)
	}
	return err
}
