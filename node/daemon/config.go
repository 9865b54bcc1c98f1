package daemon

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// configFormat is the number of node.json's form, and of the files beside it. In
// format 0 keys lay there unsealed.
const configFormat = 1

// Config is node.json: what a node is, and with whom it speaks. Keys and
// certificates lie in files beside it.
type Config struct {
	Format  int          `json:"format"`
	Scopes  []crdt.Scope `json:"scopes"`            // the first is the one that it writes
	Commune *Commune     `json:"commune,omitempty"` // a commune's node: which
	HTTP    string       `json:"http"`              // host:port of the page, loopback
	Sync    string       `json:"sync"`              // host:port for other nodes
	// Thin is the host:port (UDP) of the thin link, for lines that are slow and far; ""
	// doesn't listen on it.
	Thin string `json:"thin,omitempty"`
	// MDNSOff keeps the node from announcing itself on the local network, and from
	// looking for the office's other devices there. One whose Sync is loopback never does.
	MDNSOff   bool      `json:"mdns_off,omitempty"`
	Authority string    `json:"authority"` // the pinned authority's Ed25519 public key, hexadecimal
	Peers     []Peer    `json:"peers"`
	Officers  []Officer `json:"officers"` // who may sign in; the first gets the printed link
	Demo      bool      `json:"demo"`     // lines can be cut from the page
	// RetentionDays is how long entries stay that every device has acknowledged;
	// without it, engine.Retention.
	RetentionDays uint16 `json:"retention_days,omitempty"`
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
	Thin    string `json:"thin,omitempty"` // its host:port on the thin link: instead, or when Address can't be reached
	Terms   *Terms `json:"terms,omitempty"`
}

// Officer is someone who may sign in at a node.
type Officer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ReadDevice is the name of the device whose directory it is.
func ReadDevice(dir string) (crdt.Device, error) {
	s, err := readPublic(dir)
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
	fileSealKey     = "seal-key.sealed"
	filePeerKey     = "peer-key.sealed"
	fileNoiseKey    = "noise-key.sealed" // these two where the certificate has them
	fileHPKEKey     = "hpke-key.sealed"
	fileNoiseBefore = "noise-key-before.sealed" // once there was another
	dirCertificates = "certificates"
	dirStore        = "store"
	dirRaft         = "raft"
	dirAttachments  = "attachments" // package attach's
	allCertificates = "*.cose"
)

// ReadConfig reads the directory's node.json.
func ReadConfig(dir string) (*Config, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileConfig))
	if within := nodesIn(dir); errors.Is(err, fs.ErrNotExist) && len(within) > 0 {
		return nil, node.Errorf(node.NotFound,
			"Thư mục %s không phải là một nút, nhưng chứa các nút: %s. Hãy chọn một trong số đó (--dir).",
			"%s is no node and holds some: %s; choose one of them (--dir)", dir, strings.Join(within, ", "))
	}
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
		return nil, node.Errorf(node.Invalid,
			"node.json trong %s có định dạng %d; chương trình này đọc định dạng %d. Hãy dùng phiên bản chương trình đã ghi nó, hoặc chọn --dir khác.",
			"node.json in %s has format %d and this program reads format %d; use the version of the program that wrote it, or another --dir", dir, c.Format, configFormat)
	}
	return c, nil
}

// IsNode says whether a directory is a node's.
func IsNode(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, fileConfig))
	return err == nil
}

// nodesIn are the nodes' directories that lie in one.
func nodesIn(dir string) (nodes []string) {
	names, err := filepath.Glob(filepath.Join(dir, "*", fileConfig))
	if err != nil {
		return nil // the name is a bad pattern: nothing is told
	}
	for _, name := range names {
		nodes = append(nodes, filepath.Dir(name))
	}
	return nodes
}

// Write writes the configuration, whole or not at all.
func (c *Config) Write(dir string) error {
	c.Format = configFormat
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, fileConfig), append(b, '\n'))
}

// Keys are a device's own keys.
type Keys = identity.Keys

// Enrol writes what makes a directory a node: configuration, keys sealed with the
// store's, its own certificate and those of its peers. The directory has its key
// file already (keyring.Create).
func Enrol(dir string, c *Config, k Keys, store keyring.Keys, own []byte, peers ...[]byte) error {
	files := map[string][]byte{fileCertificate: own}
	for i, cert := range peers {
		files[filepath.Join(dirCertificates, fmt.Sprintf("%02d.cose", i))] = cert
	}
	for name, key := range keyFiles(k) {
		sealed, err := sealKey(store, name, key)
		if err != nil {
			return err
		}
		files[name] = sealed
	}
	for name, b := range files {
		if err := durable.WriteFile(filepath.Join(dir, name), b); err != nil {
			return fmt.Errorf("enrol: %w", err)
		}
	}
	return c.Write(dir) // last: with it the directory is a node
}

// self is what a node knows of itself and of the devices that it was told of.
type self struct {
	config      *Config
	authority   ed25519.PublicKey
	keys        Keys
	claims      identity.Claims
	certificate []byte
	directory   *identity.Directory
	bad         []badFile // certificates of others
}

// readSelf reads all of a node's directory but its store.
func readSelf(dir string, store keyring.Keys) (*self, error) {
	s, err := readPublic(dir)
	if err != nil {
		return nil, err
	}
	if s.keys, err = readKeys(dir, &s.claims, store); err != nil {
		return nil, err
	}
	if !s.keys.Fit(&s.claims) {
		return nil, node.Errorf(node.Invalid, "Chứng thư của nút không khớp với khóa của nó.", "the node's certificate is not for its keys")
	}
	return s, nil
}

// readPublic reads what needs no key.
func readPublic(dir string) (*self, error) {
	c, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	s := &self{config: c}
	s.authority, err = hex.DecodeString(c.Authority)
	if err != nil {
		return nil, node.Errorf(node.Invalid, "node.json: khóa của cơ quan cấp (authority) không đọc được: %w", "node.json: the authority's key can't be read: %w", err)
	}
	if s.directory, err = identity.New(s.authority); err != nil {
		return nil, err
	}
	return s, s.readCertificates(dir)
}

// readCertificates takes all in, those of others first. One of them that can't be
// read or believed is noted; without its own the node is nobody.
func (s *self) readCertificates(dir string) (err error) {
	names, err := filepath.Glob(filepath.Join(dir, dirCertificates, allCertificates))
	if err != nil {
		return err
	}
	add := func(name string) error {
		if s.certificate, err = os.ReadFile(name); err == nil {
			s.claims, err = s.directory.Add(s.certificate)
		}
		return err
	}
	for _, name := range names {
		if err := add(name); err != nil {
			s.bad = append(s.bad, badCertificate(dir, name, err))
		}
	}
	own := filepath.Join(dir, fileCertificate)
	if err := add(own); err != nil {
		return badCertificate(dir, own, err)
	}
	return nil
}

// badCertificate says what to do about a certificate that can't be read or believed.
func badCertificate(dir, name string, err error) badFile {
	if relative, relErr := filepath.Rel(dir, name); relErr == nil {
		name = filepath.ToSlash(relative)
	}
	return badFile{name, node.Errorf(node.Damaged,
		"Chứng thư %s mất hoặc hỏng: %w. Hãy chạy `vungxa repair --from BẢN_SAO_LƯU`, chép lại tệp này từ nơi đã cấp, hoặc khôi phục nút vào thư mục mới (`vungxa restore`).",
		"the certificate %s is gone or damaged: %w; run `vungxa repair --from BACKUP`, copy the file again from who issued it, or make the node anew in another directory (`vungxa restore`)", name, err)}
}
