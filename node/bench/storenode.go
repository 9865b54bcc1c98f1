package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// nodeProcess is a node that runs, with someone signed in.
type nodeProcess struct {
	cmd      *exec.Cmd
	said     opened
	page     *browser
	ready    time.Duration // from the start to the moment at which it says so
	answered time.Duration // from the start to the first page of a list
	total    int           // dossiers, as that page says
}

// opened is what a node prints when it is ready.
type opened struct {
	URL    string `json:"url"`
	SignIn string `json:"sign_in"`
	PID    int    `json:"pid"`
}

// startNode starts this program on a node's directory and asks for a first page. wrap
// are the words of another program that runs it.
func startNode(ctx context.Context, dir string, now func() time.Time, wrap ...string) (*nodeProcess, error) {
	return startNodeAt(ctx, dir, now, wrap, http.DefaultTransport)
}

// startNodeAt is startNode where the node's loopback is another one than ours.
func startNodeAt(ctx context.Context, dir string, now func() time.Time, wrap []string, loopback http.RoundTripper) (n *nodeProcess, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(wrap), self, "run", "--json", "--dir", dir)
	n = &nodeProcess{cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	n.cmd.Stderr = os.Stderr
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := now()
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop())
		}
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &n.said)
	}
	if err != nil {
		return nil, fmt.Errorf("the node did not start: %w", err)
	}
	n.ready = now().Sub(began)
	if n.page, err = signIn(ctx, n.said, loopback); err == nil {
		_, n.total, err = n.page.search(ctx, map[string]any{"limit": 50})
	}
	n.answered = now().Sub(began)
	return n, err
}

func (n *nodeProcess) pid() int { return n.said.PID }

// stop ends the node cleanly.
func (n *nodeProcess) stop() error {
	p := n.cmd.Process
	if n.said.PID != 0 {
		var err error
		if p, err = os.FindProcess(n.said.PID); err != nil {
			return err
		}
	}
	return errors.Join(p.Signal(syscall.SIGTERM), n.cmd.Wait())
}

// save saves the i-th dossier as an officer does.
func (n *nodeProcess) save(ctx context.Context, i int) error {
	return n.page.post(ctx, "/collections/dossiers/records", map[string]any{"values": presented(fullDossier(i))}, &struct{}{})
}

// signIn signs in with the link that the node printed.
func signIn(ctx context.Context, o opened, loopback http.RoundTripper) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &browser{http.Client{Jar: jar, Transport: loopback}, o.URL + "api/v0", ""}
	_, code, _ := strings.Cut(o.SignIn, "#code=")
	var session struct {
		Secret string `json:"secret"`
	}
	err = b.post(ctx, "/session", map[string]string{"code": code}, &session)
	b.secret = session.Secret
	return b, err
}

// search gives the ids of a page of dossiers, and how many the whole answer has.
func (b *browser) search(ctx context.Context, query map[string]any) (ids []string, total int, err error) {
	var list struct {
		Total int `json:"total"`
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	err = b.post(ctx, "/collections/dossiers/search", query, &list)
	for _, item := range list.Items {
		ids = append(ids, item.ID)
	}
	return ids, list.Total, err
}

// get reads an answer whole.
func (b *browser) get(ctx context.Context, path string) error {
	return b.ask(ctx, http.MethodGet, path, nil, &struct{}{})
}

// untilFigures asks for the figures until the node knows them.
func (b *browser) untilFigures(ctx context.Context) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		var answer struct {
			State string `json:"state"`
		}
		if err := b.ask(ctx, http.MethodGet, "/kpis", nil, &answer); err != nil || answer.State == "ready" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// startTraced starts a node under strace, and gives what counts its syncs so far.
// There is no node where there is no strace.
func startTraced(ctx context.Context, dir string, now func() time.Time) (*nodeProcess, func() (int, error), error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		fmt.Fprintln(os.Stderr, "fsyncs of a save were not counted: strace is missing (apt-get install strace)")
		return nil, nil, nil
	}
	log := filepath.Join(filepath.Dir(dir), "strace")
	n, err := startNode(ctx, dir, now, strace, "-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range", "-o", log)
	return n, func() (int, error) {
		b, err := os.ReadFile(log)
		return strings.Count(string(b), "= 0\n"), err
	}, err
}
