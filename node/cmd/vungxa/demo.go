package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"crypto/rand"

	"golang.org/x/sync/errgroup"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
)

type demoCmd struct {
	Dir    string   `default:"./var" type:"path" help:"Where the three nodes live." vi:"Nơi đặt ba nút."`
	Listen string   `default:"127.0.0.1:8700" help:"Loopback address of the first page; the others take the ports after it. Port 0: any free ones." vi:"Địa chỉ loopback của trang đầu; các trang khác lấy các cổng sau đó. Cổng 0: cổng trống bất kỳ."`
	JSON   bool     `help:"Print one JSON object when ready." vi:"In một đối tượng JSON khi sẵn sàng."`
	Apart  bool     `help:"Run each node as a process of its own." vi:"Chạy mỗi nút thành một tiến trình riêng."`
	Seed   uint64   `default:"1" help:"Of the generated office, when it is first filled." vi:"Hạt giống của dữ liệu mẫu, khi tạo lần đầu."`
	Packs  []string `type:"existingdir" help:"Directories of further collections (YAML)." vi:"Các thư mục loại hồ sơ thêm (YAML)."`
}

// Run makes the demo where there is none, and runs it until it is told to stop.
func (r demoCmd) Run(ctx context.Context, c *console) (err error) {
	if err := r.mayBegin(); err != nil {
		return err
	}
	unlock, err := daemon.Lock(r.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := r.prepare(ctx, c); err != nil {
		return r.interrupted(ctx, c, err)
	}
	run := r.together
	if r.Apart {
		run = r.apart
	}
	err = run(ctx, c)
	if err == nil && !r.JSON {
		c.say("\nĐã dừng. Lần chạy sau tiếp tục với dữ liệu trong %s.", "\nStopped. The next start goes on with what is in %s.", r.Dir)
	}
	return err
}

// mayBegin refuses what would leave a directory behind that nobody wanted.
func (r demoCmd) mayBegin() error {
	if err := demo.Fits(r.Dir); err != nil {
		return err
	}
	if _, err := os.Stat(r.Dir); errors.Is(err, os.ErrNotExist) {
		return demo.Free(r.Listen)
	}
	return nil
}

// interrupted is no error when someone stopped the first fill, and only that: what
// is half made is made again.
func (r demoCmd) interrupted(ctx context.Context, c *console, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if !r.JSON {
		c.say("\nĐã dừng khi văn phòng mẫu chưa tạo xong. Lần chạy sau sẽ tạo lại.", "\nStopped before the sample office was made. The next start makes it again.")
	}
	return nil
}

func (r demoCmd) prepare(ctx context.Context, c *console) error {
	ready, err := demo.Ready(r.Dir)
	if err != nil {
		return err
	}
	if err := demo.Free(r.Listen); err != nil {
		return err // before an office is made that then can't be shown
	}
	if !ready {
		if !r.JSON {
			c.say("Tạo một văn phòng mẫu trong %s (lần đầu mất vài giây)…", "Making a sample office in %s (some seconds, the first time)…", r.Dir)
		}
		if err := demo.Make(ctx, r.Dir, r.Seed, time.Now(), rand.Reader, c.log); err != nil {
			return err
		}
	}
	return demo.Address(r.Dir, r.Listen)
}

// together runs the nodes in this process.
func (r demoCmd) together(ctx context.Context, c *console) (err error) {
	var nodes []opened
	var daemons []*daemon.Daemon
	for _, n := range demo.Nodes {
		dir := filepath.Join(r.Dir, n.Name)
		d, openErr := daemon.New(dir, options(c, r.Packs))
		if openErr != nil {
			return fmt.Errorf("%s: %w", n.Name, openErr)
		}
		defer func() { err = errors.Join(err, d.Close()) }()
		o, openErr := describe(d, dir)
		if openErr != nil {
			return openErr
		}
		nodes, daemons = append(nodes, o), append(daemons, d)
	}
	if err := r.announce(c, nodes); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range daemons {
		group.Go(func() error { return d.Run(ctx) })
	}
	return group.Wait()
}

// apart runs the nodes as processes, `vungxa run`, and stops them when this one is
// told to. A node that ends before is told of, and the others go on.
func (r demoCmd) apart(ctx context.Context, c *console) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var nodes []opened
	ctx, stop := context.WithCancel(ctx)
	var running errgroup.Group
	defer func() { // no node outlives this process
		stop()
		err = errors.Join(err, running.Wait())
	}()
	for _, n := range demo.Nodes {
		args := []string{"run", "--json", "--until-eof", "--dir", filepath.Join(r.Dir, n.Name)}
		for _, p := range r.Packs {
			args = append(args, "--packs", p)
		}
		if c.english {
			args = append(args, "--lang", "en")
		}
		o, wait, err := start(ctx, self, args)
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		nodes = append(nodes, o)
		running.Go(func() error {
			if ended := wait(); ended != nil {
				fmt.Fprintln(os.Stderr, "vungxa:", explain(c, ended))
			}
			return nil
		})
	}
	if err := r.announce(c, nodes); err != nil {
		return err
	}
	return r.untilStopped(ctx, &running)
}

// untilStopped waits until this process is told to stop, or no node runs.
func (r demoCmd) untilStopped(ctx context.Context, nodes *errgroup.Group) error {
	ended := make(chan error, 1)
	go func() { ended <- nodes.Wait() }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		if ctx.Err() != nil {
			return err
		}
		return errors.Join(err, node.Errorf(node.Unavailable, "Không còn nút nào chạy.", "no node runs any more"))
	}
}

// start starts a node's process and waits until it says that it is ready.
func start(ctx context.Context, self string, args []string) (o opened, wait func() error, err error) {
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return o, nil, err
	}
	// Nobody writes to it: it ends with this process, however that ends, and the
	// node with it.
	if _, err := cmd.StdinPipe(); err != nil {
		return o, nil, err
	}
	if err := cmd.Start(); err != nil {
		return o, nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &o)
	}
	if err != nil {
		return o, nil, errors.Join(cmd.Wait(), errors.New("the node did not start"))
	}
	return o, func() error {
		_ = cmd.Wait() // howEnded tells it
		if ctx.Err() != nil {
			return nil
		}
		how := howEnded(cmd.ProcessState)
		return node.Errorf(node.Unavailable,
			"Nút %[1]s đã dừng (%[2]s). Các nút khác vẫn chạy. Chạy lại nó: vungxa run --dir %[4]s",
			"the node %[1]s has stopped (%[3]s); the others go on. Run it again: vungxa run --dir %[4]s", o.Name, how.VI, how.EN, o.Dir)
	}, nil
}

// howEnded says how a process ended.
func howEnded(s *os.ProcessState) node.Text {
	if w, is := s.Sys().(syscall.WaitStatus); is && w.Signaled() {
		return node.Text{VI: fmt.Sprintf("bị buộc dừng, tín hiệu %d", w.Signal()), EN: fmt.Sprintf("killed by signal %d", w.Signal())}
	}
	return node.Text{VI: fmt.Sprintf("mã thoát %d", s.ExitCode()), EN: fmt.Sprintf("exit code %d", s.ExitCode())}
}

// announce tells where the pages are, in the order in which people use them.
func (r demoCmd) announce(c *console, nodes []opened) error {
	if r.JSON {
		return json.NewEncoder(c.out).Encode(map[string]any{"nodes": nodes})
	}
	c.say("\nVùng Xa, bản dùng thử: dữ liệu do máy sinh ra, không của ai.", "\nVùng Xa, demonstration: the data are generated, and nobody's.")
	for i := len(nodes) - 1; i >= 0; i-- {
		c.announce(nodes[i])
	}
	c.say("\nNhấn Ctrl-C để dừng.", "\nPress Ctrl-C to stop.")
	return nil
}
