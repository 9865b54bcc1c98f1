// Package demo makes an office to try the program on: an authority, a province,
// and the box and the laptop of one commune, each in a directory of its own with
// keys and certificates like any other node's, and an office's half year of
// generated work. Nothing in it is of a real person or dossier.
//
// The nodes it makes are ordinary nodes: each can be run by itself.
package demo

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/backup"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// Node is one of the demo's nodes.
type Node struct {
	Name    string        // as its directory is called
	Title   string        // as people read it; in its certificate
	Role    identity.Role //
	Officer daemon.Officer
	calls   []string // whom it calls
	knows   []string // who else may call it
}

// Nodes are the demo's nodes, in the order in which they start.
var Nodes = []Node{
	{Name: "province", Title: "Máy chủ tỉnh", Role: identity.RoleHub, knows: []string{"box"},
		Officer: daemon.Officer{ID: "can-bo-tinh", Name: "Cán bộ tỉnh"}},
	{Name: "box", Title: "Hộp văn phòng xã", Role: identity.RoleBox, calls: []string{"province"}, knows: []string{"laptop"},
		Officer: daemon.Officer{ID: "mot-cua", Name: "Cán bộ một cửa"}},
	{Name: "laptop", Title: "Máy tính xách tay", Role: identity.RoleLaptop, calls: []string{"box"},
		Officer: daemon.Officer{ID: "ho-tich", Name: "Cán bộ hộ tịch"}},
}

// The commune whose code and name the demo borrows from the national list.
var commune = daemon.Commune{Code: "01290", Name: "Xã Bảo Lâm (dữ liệu mẫu)"}

// Files of a demo's directory.
const (
	fileBegun = "demo-begun.json" // written first: what lies here is a demo's
	fileDone  = "demo.json"       // written last: the demo is whole
)

// Ready says whether the directory holds a whole demo. One that was left half
// made is made again.
func Ready(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, fileDone))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Fits refuses a place for a demo that is somebody's: within a node's directory or a
// set of backups.
func Fits(dir string) error {
	at, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("where the demo is to lie: %w", err)
	}
	for ; ; at = filepath.Dir(at) {
		if daemon.IsNode(at) || backup.Exists(at) {
			return node.Errorf(node.Conflict,
				"Không tạo bộ dùng thử ở %s: %s là thư mục của một nút hoặc một bộ sao lưu. Hãy chọn --dir khác.",
				"no demo is made in %s: %s is a node's directory, or a set of backups; choose another --dir", dir, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// Provision makes the nodes' directories: keys, certificates, configurations.
func Provision(dir string, rand io.Reader) error {
	if err := vacant(dir); err != nil {
		return err
	}
	authority, err := identity.NewKey(rand)
	if err != nil {
		return err
	}
	keys, certs := map[string]daemon.Keys{}, map[string][]byte{}
	for _, n := range Nodes {
		k, cert, err := certify(authority, n, rand)
		if err != nil {
			return fmt.Errorf("certify %s: %w", n.Name, err)
		}
		keys[n.Name], certs[n.Name] = k, cert
	}
	for _, n := range Nodes {
		c := &daemon.Config{
			Scopes: []crdt.Scope{Scope()}, Commune: &commune, Demo: true, Officers: []daemon.Officer{n.Officer},
			Authority: hex.EncodeToString(identity.Public(authority)),
		}
		var others [][]byte
		for _, other := range Nodes {
			if other.Name != n.Name {
				others = append(others, certs[other.Name])
			}
		}
		if err := enrol(filepath.Join(dir, n.Name), c, keys[n.Name], rand, certs[n.Name], others); err != nil {
			return err
		}
	}
	return nil
}

// enrol makes a node whose data key lies beside the disk: a demonstration starts
// without a question, and says what that is worth.
func enrol(dir string, c *daemon.Config, k daemon.Keys, rand io.Reader, own []byte, others [][]byte) error {
	ring, err := keyring.Create(dir, keyring.BesideSecret(), "", rand)
	if err != nil {
		return err
	}
	return daemon.Enrol(dir, c, k, ring.Keys(), own, others...)
}

// Scope is the scope of the demo's commune.
func Scope() crdt.Scope { return crdt.Scope("c/" + commune.Code) }

// Finish marks a demo as whole.
func Finish(dir string) error {
	return durable.WriteFile(filepath.Join(dir, fileDone), []byte("{\"format\": 0}\n"))
}

// vacant makes room: what an earlier demo left half made goes, and anything else
// of these names is somebody's.
func vacant(dir string) error {
	_, begun := os.Stat(filepath.Join(dir, fileBegun))
	for _, n := range Nodes {
		at := filepath.Join(dir, n.Name)
		if _, err := os.Stat(at); err == nil && begun != nil {
			return node.Errorf(node.Conflict,
				"Thư mục %s đã có và không phải do lệnh demo tạo. Hãy chọn --dir khác.",
				"the directory %s exists and no demo made it; choose another --dir", at)
		}
		if err := os.RemoveAll(at); err != nil {
			return fmt.Errorf("clear what was left half made: %w", err)
		}
	}
	return durable.WriteFile(filepath.Join(dir, fileBegun), []byte("{\"format\": 0}\n"))
}

func certify(authority ed25519.PrivateKey, n Node, rand io.Reader) (daemon.Keys, []byte, error) {
	k, err := identity.NewKeys(rand)
	if err != nil {
		return daemon.Keys{}, nil, err
	}
	c := identity.Claims{Issuer: "Cơ quan cấp chứng thư dùng thử", Name: n.Title, Scopes: []crdt.Scope{Scope()}, Role: n.Role}
	k.Certify(&c)
	if _, err := io.ReadFull(rand, c.ID[:]); err != nil {
		return daemon.Keys{}, nil, err
	}
	cert, err := identity.Issue(authority, c)
	return k, cert, err
}

// Address gives every node its ports. The pages take those from the one of
// listen on, the lines between the nodes the next ones; port 0 takes free ones.
func Address(dir, listen string) error {
	host, first, err := split(listen)
	if err != nil {
		return err
	}
	ports, err := choose(host, first, 2*len(Nodes))
	if err != nil {
		return err
	}
	configs, devices := map[string]*daemon.Config{}, map[string]crdt.Device{}
	for i, n := range Nodes {
		at := filepath.Join(dir, n.Name)
		c, err := daemon.ReadConfig(at)
		if err != nil {
			return err
		}
		if devices[n.Name], err = daemon.ReadDevice(at); err != nil {
			return err
		}
		c.HTTP, c.Sync = net.JoinHostPort(host, ports[i]), net.JoinHostPort(host, ports[len(Nodes)+i])
		configs[n.Name] = c
	}
	for _, n := range Nodes {
		c := configs[n.Name]
		c.Peers = nil
		for _, name := range n.calls {
			c.Peers = append(c.Peers, daemon.Peer{Device: devices[name].String(), Address: configs[name].Sync})
		}
		for _, name := range n.knows {
			c.Peers = append(c.Peers, daemon.Peer{Device: devices[name].String()})
		}
		if err := c.Write(filepath.Join(dir, n.Name)); err != nil {
			return err
		}
	}
	return nil
}

// Free says whether the ports that Address would give are free.
func Free(listen string) error {
	host, first, err := split(listen)
	if err != nil || first == 0 {
		return err
	}
	for i := range 2 * len(Nodes) {
		at := net.JoinHostPort(host, strconv.Itoa(first+i))
		l, err := net.Listen("tcp", at)
		if err != nil {
			return daemon.PortTaken(at, err)
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func split(listen string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(listen)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() || port < 0 || port > 65535-2*len(Nodes) {
		return "", 0, node.Errorf(node.Invalid,
			"--listen %q: cần một địa chỉ loopback và cổng, ví dụ 127.0.0.1:8700; cổng 0 là cổng trống bất kỳ.",
			"--listen %q: want a loopback address and a port, as 127.0.0.1:8700; port 0 takes any that is free", listen)
	}
	return host, port, nil
}

// choose gives n ports from first on, or free ones.
func choose(host string, first, n int) (ports []string, err error) {
	for i := range n {
		if first != 0 {
			ports = append(ports, strconv.Itoa(first+i))
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // after the last: so that all differ
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
