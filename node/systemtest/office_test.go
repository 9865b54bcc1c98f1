//go:build linux

package systemtest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"testing"

	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/sync/linetest"
)

// TestOffice puts a laptop and the office's box on one Ethernet with nothing else: no
// Internet, no names, no addresses configured. Each holds the other's certificate. They
// find each other, and what is saved at one arrives at the other.
func TestOffice(t *testing.T) {
	lan, err := linetest.NewLAN()
	if errors.Is(err, linetest.ErrMissing) {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lan.Close(); err != nil {
			t.Error(err)
		}
	})
	c := newCommune(t)
	c.box.end, c.laptop.end = lan.A, lan.B
	for _, p := range []*place{c.box, c.laptop} {
		c.reconfigure(p, func(cfg *daemon.Config) {
			cfg.Peers, cfg.Sync, cfg.HTTP = nil, "0.0.0.0:8703", "127.0.0.1:8700"
		})
	}
	c.run(c.box, c.laptop)
	made, err := c.laptop.page.create("dossiers", values{
		"MaTTHC": "2.000815", "ChuHoSo": "Nông Văn Mẫu", "TrangThaiHoSo": "2", "NgayTiepNhan": "2025-03-04T03:00:00Z",
	})
	c.must(err)
	eventually(t, "the laptop's dossier at the box", func() error {
		_, err := c.box.page.get("dossiers", made.ID)
		return err
	})
	eventually(t, "the tick of the office", func() error {
		r, err := c.laptop.page.get("dossiers", made.ID)
		if err == nil && r.Tick != "office" {
			err = fmt.Errorf("its tick is %q", r.Tick)
		}
		return err
	})
	atBox, err := c.box.page.get("dossiers", made.ID)
	c.must(err)
	_, err = c.box.page.change("dossiers", atBox, values{"ChuHoSo": "Nông Thị Mẫu"})
	c.must(err)
	eventually(t, "the box's edit at the laptop", func() error {
		r, err := c.laptop.page.get("dossiers", made.ID)
		if err == nil && r.Values["ChuHoSo"] != "Nông Thị Mẫu" {
			err = fmt.Errorf("it has %v", r.Values["ChuHoSo"])
		}
		return err
	})
	c.stop(c.box, c.laptop)
}

// begin starts the node's process where the node is.
func (p *place) begin(args ...string) (*process, error) {
	if p.end == nil {
		return begin(args...)
	}
	path, err := program()
	if err != nil {
		return nil, err
	}
	words := append(append(p.end.Wrap(), path), args...)
	return start(exec.Command(words[0], words[1:]...), "")
}

// loopback is how a browser at the node's own machine connects.
func (p *place) loopback() *http.Transport {
	if p.end == nil {
		return &http.Transport{DialContext: (&net.Dialer{}).DialContext}
	}
	return &http.Transport{DialContext: p.end.Dial}
}
