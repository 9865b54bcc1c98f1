package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vungxa/vungxa/desktop/frontend"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/keyring"
)

type runCmd struct {
	Dir      string   `required:"" type:"path" help:"The node's directory." vi:"Thư mục của nút."`
	JSON     bool     `help:"Print one JSON object when ready." vi:"In một đối tượng JSON khi sẵn sàng."`
	Packs    []string `type:"existingdir" help:"Directories of further collections (YAML)." vi:"Các thư mục loại hồ sơ thêm (YAML)."`
	UntilEOF bool     `hidden:"" help:"End when standard input does: with the process that holds its other end." vi:"Dừng khi đầu vào đóng: cùng với tiến trình giữ đầu kia của nó."`
	unlock
}

// opened is what is told of a node when it is ready.
type opened struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	URL    string `json:"url"`
	SignIn string `json:"sign_in"` // good for one sign-in
	PID    int    `json:"pid"`
	Dir    string `json:"dir"`

	Protection string `json:"protection"` // the class of what opens the store
}

// Run runs one node until it is told to stop.
func (r runCmd) Run(ctx context.Context, c *console) error {
	opts, err := r.options(c, r.Dir, r.Packs)
	if err != nil {
		return err
	}
	d, err := daemon.New(r.Dir, opts)
	if err != nil {
		return err
	}
	o, err := describe(d, r.Dir)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	if r.JSON {
		err = json.NewEncoder(c.out).Encode(o)
	} else {
		c.announce(o)
		c.say("\nNhấn Ctrl-C để dừng.", "\nPress Ctrl-C to stop.")
	}
	if err != nil {
		return errors.Join(err, d.Close())
	}
	if r.UntilEOF {
		ctx = untilEOF(ctx, os.Stdin)
	}
	err = errors.Join(d.Run(ctx), d.Close())
	if err == nil && !r.JSON {
		c.say("\nĐã dừng. Lần chạy sau tiếp tục với dữ liệu trong %s.", "\nStopped. The next start goes on with what is in %s.", r.Dir)
	}
	return err
}

// untilEOF ends when in does.
func untilEOF(ctx context.Context, in io.Reader) context.Context {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in) // however it ends, nobody is there any more
		stop()
	}()
	return ctx
}

func options(c *console, packs []string) daemon.Options {
	o := daemon.Options{UI: frontend.Files(), Importer: importer(), Now: time.Now, Rand: rand.Reader, Log: c.log}
	for _, dir := range packs {
		o.Packs = append(o.Packs, os.DirFS(dir))
	}
	return o
}

func describe(d *daemon.Daemon, dir string) (opened, error) {
	signIn, err := d.SignIn()
	if err != nil {
		return opened{}, err
	}
	i := d.Info()
	return opened{Name: i.Name, Role: i.Role, URL: d.URL(), SignIn: signIn, PID: os.Getpid(), Dir: dir, Protection: i.Protection.Class}, nil
}

// announce prints a node's page and its one-time sign-in.
func (c *console) announce(o opened) {
	fmt.Fprintf(c.out, "\n  %s\n", o.Name)
	c.say("    trang:               %s", "    page:                %s", o.URL)
	c.say("    đăng nhập (1 lần):   %s", "    sign in (once):      %s", o.SignIn)
	c.say("    bảo vệ đĩa:          %s", "    disk protection:     %s", c.text(keyring.Class(o.Protection).Says()))
}

type openapiCmd struct{}

// Run prints the OpenAPI document.
func (openapiCmd) Run(c *console) error {
	b, err := api.Spec()
	if err != nil {
		return err
	}
	_, err = c.out.Write(b)
	return err
}
