package daemon

import (
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// openKeys opens the key file: without it nothing of the directory can be read.
func (d *Daemon) openKeys() (err error) {
	d.ring, err = keyring.Open(d.dir, d.opts.Rand, d.opts.Secrets...)
	if err != nil {
		return err
	}
	p := d.ring.Protection()
	d.opts.Log.Info("the key file is open", "protection", p.Class, "slots", len(p.Slots))
	if p.Damaged {
		d.opts.Log.Warn("the key file is damaged: `vungxa keys list` shows which slot; add a new one and keep a copy of the file")
	}
	return d.settleRotation()
}

// protection is what protects the store, as it is on the disk now: slots may change
// while the node runs.
func (d *Daemon) protection() api.Protection {
	p, err := keyring.Read(d.dir)
	if err != nil {
		d.opts.Log.Error("the key file can't be read", "error", err)
	}
	return api.Protection{Class: string(p.Class), Says: p.Class.Says(), Damaged: p.Damaged || err != nil, Rotating: p.Rotating}
}

// sealKey seals a device's key for its file: what is put into another file's place
// doesn't open.
func sealKey(store keyring.Keys, file string, key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return sealed.Seal(store, "device key: "+file, der)
}

func readKey(dir, file string, store keyring.Keys) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	der, err := sealed.Open(store, "device key: "+file, b)
	if err != nil {
		return nil, node.Errorf(node.Damaged,
			"Khóa thiết bị %s không mở được: tệp bị hỏng hoặc thuộc về nút khác. Hãy khôi phục từ bản sao lưu: %w",
			"the device key %s can't be opened: the file is damaged, or another node's; restore it from a backup: %w", file, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an Ed25519 key", file)
	}
	return ed, nil
}

// raftSealer seals what raft writes: a hub of one member takes its data key. A hub
// of several would put a key here that all of them hold.
type raftSealer struct{ keys keyring.Keys }

// Seal implements hub.Sealer.
func (s raftSealer) Seal(about string, plain []byte) ([]byte, error) {
	return sealed.Seal(s.keys, "raft: "+about, plain)
}

// Open implements hub.Sealer.
func (s raftSealer) Open(about string, item []byte) ([]byte, error) {
	return sealed.Open(s.keys, "raft: "+about, item)
}
