package daemon

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/sync/identity"
)

// Changed is closed when Info may next differ.
func (d *Daemon) Changed() <-chan struct{} { return d.replica.Changed() }

func (d *Daemon) listenHTTP() (err error) {
	address := d.self.config.HTTP
	if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
		return node.Errorf(node.Invalid, "node.json: http phải là địa chỉ loopback như 127.0.0.1:8700, không phải %q.",
			"node.json: http must be a loopback address as 127.0.0.1:8700, not %q", address)
	}
	d.listener, err = net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return PortTaken(address, err)
	}
	if err != nil {
		return fmt.Errorf("listen for the page on %s: %w", address, err)
	}
	d.onClose(func() error { return ignoreClosed(d.listener.Close()) })
	d.control.Secret, err = d.newSecret()
	if err != nil {
		return err
	}
	d.http = api.Server(api.New(d.apiConfig()), d.opts.Log)
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (d *Daemon) apiConfig() api.Config {
	_, port, _ := net.SplitHostPort(d.listener.Addr().String())
	cfg := api.Config{
		Hosts: []string{d.listener.Addr().String(), net.JoinHostPort("localhost", port)},
		UI:    d.opts.UI, Engine: d.engine, Pack: d.Pack, Auth: d.auth, Node: d, Sticks: d,
		Control: api.Control{Secret: d.control.Secret, Officer: d.opts.Importer, Jobs: d.jobs()},
		Now:     d.opts.Now, Log: d.opts.Log, Done: d.closing,
	}
	if d.self.config.Demo {
		cfg.Lines = d
	}
	return cfg
}

// Control is control.json: how the command line finds a running node. Only the
// user who runs the node can read it.
type Control struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

func (d *Daemon) newSecret() (string, error) {
	b := make([]byte, 32)
	if _, err := io.ReadFull(d.opts.Rand, b); err != nil {
		return "", fmt.Errorf("draw the control secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func (d *Daemon) writeControl() error {
	d.control.URL = d.URL()
	b, err := json.Marshal(d.control)
	if err != nil {
		return err
	}
	name := filepath.Join(d.dir, fileControl)
	d.onClose(func() error { return removed(name) })
	if err := removed(name); err != nil { // a node that was killed left it
		return err
	}
	return d.orLater(func() error { return durable.WriteFile(name, b) })
}

// ReadControl finds the node that runs on a directory; nil if none does. A node
// that was killed leaves the file behind: who uses it notices that nobody listens.
func ReadControl(dir string) (*Control, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileControl))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read control.json: %w", err)
	}
	c := &Control{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("read control.json: %w", err)
	}
	return c, nil
}

// URL is the node's page.
func (d *Daemon) URL() string { return "http://" + d.listener.Addr().String() + "/" }

// SignIn makes a link that signs the node's first officer in, once.
func (d *Daemon) SignIn() (string, error) {
	all := d.self.config.Officers
	if len(all) == 0 {
		return "", node.Errorf(node.Invalid, "node.json chưa có cán bộ nào (officers).", "node.json names no officers")
	}
	code, err := d.auth.NewCode(all[0].ID)
	if err != nil {
		return "", err
	}
	return d.URL() + "#code=" + code, nil
}

// SignInLink is a link that signs an officer in, once.
type SignInLink struct {
	URL     string `json:"sign_in"`
	Officer string `json:"officer"` // the name of who signs in by it
}

// newSignIn is the job that makes another link: the first one is used up by then.
func (d *Daemon) newSignIn(context.Context, struct{}, func(any) error) (SignInLink, error) {
	link, err := d.SignIn()
	if err != nil {
		return SignInLink{}, err
	}
	return SignInLink{URL: link, Officer: d.self.config.Officers[0].Name}, nil
}

// roleNames are the roles as the page calls them.
var roleNames = map[identity.Role]string{
	identity.RoleBox: "box", identity.RoleLaptop: "laptop", identity.RoleHub: "province",
}

// Info is the node and its lines, as of now.
func (d *Daemon) Info() api.Info {
	c := d.self.claims
	info := api.Info{
		Name: c.Name, Role: roleNames[c.Role], Device: c.Device.String(), Scope: string(d.self.config.Scopes[0]),
		ReadOnly: c.Role == identity.RoleHub, Protection: d.protection(), Damage: d.damage(),
	}
	if commune := d.self.config.Commune; commune != nil {
		info.Commune = &api.Commune{Code: commune.Code, Name: commune.Name}
	}
	info.Checking.Left, info.Checking.Total = d.store.Checking()
	for _, s := range d.replica.Peers() {
		other, _ := d.self.directory.ByDevice(s.Device)
		peer := api.Peer{
			Device: s.Device.String(), Name: other.Name, Role: roleNames[other.Role],
			Connected: s.Connected, Cut: s.Cut, LastContactMS: s.LastContactMS,
		}
		if !s.Connected && s.Why.VI != "" {
			peer.WhyNot = &s.Why.VI
		}
		for _, log := range slices.SortedFunc(maps.Keys(s.Held), crdt.LogID.Compare) { // one is said, the rest goes on
			why := s.Held[log].Reason.VI
			peer.WhyNot = &why
			info.Stuck = append(info.Stuck, api.Stuck{
				Stuck: engine.Stuck{Log: log, UpTo: s.Held[log].UpTo}, Peer: other.Name, Why: node.Text(s.Held[log].Reason),
			})
		}
		info.Peers = append(info.Peers, peer)
	}
	return info
}

// Certified are the devices that have a certificate here.
func (d *Daemon) Certified() []api.Certified {
	var out []api.Certified
	for _, c := range d.self.directory.All() {
		out = append(out, api.Certified{Device: c.Device.String(), Name: c.Name, Role: roleNames[c.Role]})
	}
	return out
}

// shutdown is how long requests under way may take when the node stops.
const shutdown = 5 * time.Second

// Run serves the page and keeps the lines until ctx ends, which is no error, or
// something fails that the node can't go on with.
func (d *Daemon) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if d.hub != nil {
		group.Go(func() error { return d.watchHub(ctx) })
	}
	group.Go(func() error { return d.serveLines(ctx) })
	group.Go(func() error { return d.findOffice(ctx) })
	group.Go(func() error { return d.tend(ctx) })
	group.Go(func() error { return d.leaveStuck(ctx) })
	group.Go(func() error { return d.scrub(ctx) })
	group.Go(func() error {
		if err := d.http.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the page: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		d.stopping.Do(func() { close(d.closing) }) // ends the event streams
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
		defer cancel()
		return d.http.Shutdown(ctx)
	})
	return group.Wait()
}

func (d *Daemon) watchHub(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.hub.Fatal():
		return fmt.Errorf("the hub can't go on: %w", err)
	}
}
