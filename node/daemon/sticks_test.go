package daemon_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
)

// carried is the demo's machines, of which none runs: a stick is all that goes between them.
type carried struct {
	*testing.T
	dir string
}

func newCarried(t *testing.T) carried {
	c := carried{t, t.TempDir()}
	if err := demo.Provision(c.dir, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return c
}

// at opens a machine as the command line does for a stick.
func (c carried) at(node string, do func(*daemon.Daemon)) {
	c.Helper()
	d, err := daemon.OpenSticks(filepath.Join(c.dir, node), restOptions())
	if err != nil {
		c.Fatal(err)
	}
	do(d)
	closed(c.T, d)
}

func (c carried) device(node string) string {
	c.Helper()
	d, err := daemon.ReadDevice(filepath.Join(c.dir, node))
	if err != nil {
		c.Fatal(err)
	}
	return d.String()
}

// swap presses the button of a machine.
func (c carried) swap(node, stick string, to ...string) (out api.StickSwapped) {
	c.Helper()
	c.at(node, func(d *daemon.Daemon) {
		c.Helper()
		o := api.StickOrder{Path: stick, To: []string{}}
		for _, other := range to {
			o.To = append(o.To, c.device(other))
		}
		var err error
		if out, err = d.SwapStick(context.Background(), o); err != nil {
			c.Fatal(err)
		}
	})
	return out
}

// imports takes a stick in as the command does, which lets a hub elect itself first.
func (c carried) imports(node, stick string) (out api.StickSwapped) {
	c.Helper()
	c.at(node, func(d *daemon.Daemon) {
		c.Helper()
		var err error
		if out, err = d.ImportStick(context.Background(), daemon.StickOrder{Path: stick, Answer: true}); err != nil {
			c.Fatal(err)
		}
	})
	return out
}

// What a person types is told of as what it is, in words of both languages, and nothing
// that the system says is put before people.
func TestPathsOfSticks(t *testing.T) {
	c := newCarried(t)
	dir := t.TempDir()
	file, own := filepath.Join(dir, "file"), filepath.Join(dir, "own")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(filepath.Join(c.dir, "box"), own)); err != nil {
		t.Fatal(err)
	}
	c.at("box", func(d *daemon.Daemon) {
		for _, m := range []struct {
			path, says string
			code       node.Code
		}{
			{file, "là một tệp, không phải thư mục", node.Invalid},
			{filepath.Join(file, "in"), "Không thấy USB", node.NotFound},
			{filepath.Join(dir, "none"), "Không thấy USB", node.NotFound},
			{"usb", "đường dẫn đầy đủ", node.Invalid},
			{filepath.Join(c.dir, "box", "log"), "thư mục của chính nút này", node.Invalid},
			{own, "thư mục của chính nút này", node.Invalid},
		} {
			_, err := d.InspectStick(context.Background(), m.path)
			if said := node.Reason(err); err == nil || node.CodeOf(err) != m.code || !strings.Contains(said.VI, m.says) || strings.Contains(said.EN, "open") {
				t.Errorf("%s: %s, %+v", m.path, node.CodeOf(err), said)
			}
		}
	})
}

// Machines that no line joins get each other's saves, attachments and receipts by a stick.
func TestSticksThereAndBack(t *testing.T) {
	c := newCarried(t)
	stick := t.TempDir()
	content := bytes.Repeat([]byte("một tấm ảnh "), 30_000)
	var h attach.Hash
	c.at("box", func(d *daemon.Daemon) {
		save(t, d, 0, 5)
		var err error
		if h, _, err = d.Attachments().Put(t.Context(), bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		pointAs(t, d.Peer("").Device, d.DeviceKeys(), d, h)
	})
	if out := c.swap("box", stick, "province"); len(out.Written) != 1 || out.Written[0].Entries < 5 {
		t.Fatalf("%+v", out)
	}
	for i := range 2 {
		out := c.imports("province", stick)
		if len(out.Files) == 0 || out.Files[0].State != "taken" && out.Files[0].State != "ours" || i == 0 && out.Entries < 5 || i == 1 && out.Entries > 0 {
			t.Fatalf("time %d: %+v", i, out)
		}
	}
	wantAttached(t, filepath.Join(c.dir, "province"), map[attach.Hash][]byte{h: content})
	if out := c.swap("box", stick); out.Receipts == 0 {
		t.Fatalf("%+v", out)
	}
	c.at("box", func(d *daemon.Daemon) {
		places, err := d.Sticks()
		if err != nil || len(places.Readers) == 0 || places.Readers[0].Role != "province" || places.Readers[0].Carried != 0 {
			t.Errorf("%+v, %v", places, err)
		}
	})
}
