package daemon

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// configFormat is the number of node.json's form.
const configFormat = 0

// Config is node.json: what a node is, and with whom it speaks. Keys and
// certificates lie in files beside it.
type Config struct {
	Format    int          `json:"format"`
	Scopes    []crdt.Scope `json:"scopes"`            // the first is the one that it writes
	Commune   *Commune     `json:"commune,omitempty"` // a commune's node: which
	HTTP      string       `json:"http"`              // host:port of the page, loopback
	Sync      string       `json:"sync"`              // host:port for other nodes
	Authority string       `json:"authority"`         // the pinned authority's Ed25519 public key, hexadecimal
	Peers     []Peer       `json:"peers"`
	Officers  []Officer    `json:"officers"` // who may sign in; the first gets the printed link
	Demo      bool         `json:"demo"`     // lines can be cut from the page
}

// Commune is the commune that a node serves, by the national list.
type Commune struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Peer is another node. One without an address calls this one.
type Peer struct {
	Device  string `json:"device"`
	Address string `json:"address,omitempty"`
}

// Officer is someone who may sign in at a node.
type Officer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ReadDevice is the name of the device whose directory it is.
func ReadDevice(dir string) (crdt.Device, error) {
	s, err := readSelf(dir)
	if err != nil {
		return crdt.Device{}, err
	}
	return s.claims.Device, nil
}

// Files of a node's directory.
const (
	fileConfig      = "node.json"
	fileControl     = "control.json"
	fileCertificate = "certificate.cose"
	fileSealKey     = "seal-key.pem"
	filePeerKey     = "peer-key.pem"
	dirCertificates = "certificates"
	dirStore        = "store"
	dirRaft         = "raft"
	allCertificates = "*.cose"
)

// ReadConfig reads the directory's node.json.
func ReadConfig(dir string) (*Config, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileConfig))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, node.Errorf(node.NotFound,
			"Thư mục %s chưa có nút nào (thiếu node.json). Lệnh `vungxa demo --dir THƯ_MỤC` tạo một bộ dùng thử.",
			"there is no node in %s (node.json is missing); `vungxa demo --dir DIR` makes a set to try", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	c := &Config{}
	if err := d.Decode(c); err != nil {
		return nil, node.Errorf(node.Invalid, "node.json không đọc được: %w", "node.json can't be read: %w", err)
	}
	if c.Format != configFormat || len(c.Scopes) == 0 {
		return nil, node.Errorf(node.Invalid, "node.json có định dạng %d; chương trình này đọc định dạng %d.",
			"node.json has format %d; this program reads format %d", c.Format, configFormat)
	}
	return c, nil
}

// Write writes the configuration, whole or not at all.
func (c *Config) Write(dir string) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, fileConfig), append(b, '\n'))
}

// WriteFile replaces a file of this user alone, durably: after a crash it is
// the old one or the new one.
func WriteFile(name string, b []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return store.SyncDir(filepath.Dir(name))
}

// Keys are a device's two keys: it seals with one and connects with the other.
type Keys struct {
	Seal, Peer ed25519.PrivateKey
}

// Enrol writes what makes a directory a node: configuration, keys, its own
// certificate and those of its peers.
func Enrol(dir string, c *Config, k Keys, own []byte, peers ...[]byte) error {
	files := map[string][]byte{fileCertificate: own}
	for i, cert := range peers {
		files[filepath.Join(dirCertificates, fmt.Sprintf("%02d.cose", i))] = cert
	}
	for name, key := range map[string]ed25519.PrivateKey{fileSealKey: k.Seal, filePeerKey: k.Peer} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		files[name] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for name, b := range files {
		if err := WriteFile(filepath.Join(dir, name), b); err != nil {
			return fmt.Errorf("enrol: %w", err)
		}
	}
	return c.Write(dir) // last: with it the directory is a node
}

func readKey(name string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", filepath.Base(name))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an Ed25519 key", filepath.Base(name))
	}
	return ed, nil
}

// self is what a node knows of itself and of the devices that it was told of.
type self struct {
	config      *Config
	authority   ed25519.PublicKey
	keys        Keys
	claims      identity.Claims
	certificate []byte
	directory   *identity.Directory
}

func readSelf(dir string) (*self, error) {
	c, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	s := &self{config: c}
	if s.keys.Seal, err = readKey(filepath.Join(dir, fileSealKey)); err != nil {
		return nil, err
	}
	if s.keys.Peer, err = readKey(filepath.Join(dir, filePeerKey)); err != nil {
		return nil, err
	}
	s.authority, err = hex.DecodeString(c.Authority)
	if err != nil {
		return nil, node.Errorf(node.Invalid, "node.json: khóa authority không đọc được: %w", "node.json: the authority's key can't be read: %w", err)
	}
	if s.directory, err = identity.New(s.authority); err != nil {
		return nil, err
	}
	return s, s.readCertificates(dir)
}

func (s *self) readCertificates(dir string) (err error) {
	names, err := filepath.Glob(filepath.Join(dir, dirCertificates, allCertificates))
	if err != nil {
		return err
	}
	for _, name := range append(names, filepath.Join(dir, fileCertificate)) {
		if s.certificate, err = os.ReadFile(name); err != nil {
			return fmt.Errorf("read a certificate: %w", err)
		}
		if s.claims, err = s.directory.Add(s.certificate); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	// The last one read is the node's own.
	if !s.claims.SealKey.Equal(s.keys.Seal.Public()) || !s.claims.PeerKey.Equal(s.keys.Peer.Public()) {
		return node.Errorf(node.Invalid, "Chứng thư của nút không khớp với khóa của nó.", "the node's certificate is not for its keys")
	}
	return nil
}
