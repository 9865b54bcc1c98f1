package daemon

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/node/store/sealed"
	"github.com/vungxa/vungxa/sync/identity"
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
func sealKey(store keyring.Keys, file string, key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return sealed.Seal(store, "device key: "+file, der)
}

// keyFiles are the keys that there are, by the file that each lies in.
func keyFiles(k Keys) map[string]any {
	files := map[string]any{fileSealKey: k.Seal, filePeerKey: k.Peer}
	if k.Noise != nil {
		files[fileNoiseKey] = k.Noise
	}
	if k.HPKE != nil {
		files[fileHPKEKey] = k.HPKE
	}
	if k.NoiseBefore != nil {
		files[fileNoiseBefore] = k.NoiseBefore
	}
	return files
}

// readKeys reads the keys that the certificate names.
func readKeys(dir string, claims *identity.Claims, store keyring.Keys) (k Keys, err error) {
	if k.Seal, err = readKey[ed25519.PrivateKey](dir, fileSealKey, store); err != nil {
		return k, err
	}
	if k.Peer, err = readKey[ed25519.PrivateKey](dir, filePeerKey, store); err != nil {
		return k, err
	}
	if claims.NoiseKey != nil {
		if err = readNoise(&k, dir, claims, store); err != nil {
			return k, err
		}
	}
	if claims.HPKEKey != nil {
		k.HPKE, err = readKey[*ecdh.PrivateKey](dir, fileHPKEKey, store)
	}
	return k, err
}

// readNoise reads the thin link's key and the one before it. The certificate says which
// is which: a renewal that stopped half way has written the keys and not yet that.
func readNoise(k *Keys, dir string, claims *identity.Claims, store keyring.Keys) (err error) {
	if k.Noise, err = readKey[*ecdh.PrivateKey](dir, fileNoiseKey, store); err != nil {
		return err
	}
	k.NoiseBefore, err = readKey[*ecdh.PrivateKey](dir, fileNoiseBefore, store)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && k.NoiseBefore.PublicKey().Equal(claims.NoiseKey) {
		k.Noise, k.NoiseBefore = k.NoiseBefore, k.Noise
	}
	return err
}

func readKey[K any](dir, file string, store keyring.Keys) (key K, err error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return key, fmt.Errorf("read a key: %w", err)
	}
	der, err := sealed.Open(store, "device key: "+file, b)
	if err != nil {
		return key, node.Errorf(node.Damaged,
			"Khóa thiết bị %s không mở được: tệp bị hỏng hoặc thuộc về nút khác. Hãy khôi phục từ bản sao lưu: %w",
			"the device key %s can't be opened: the file is damaged, or another node's; restore it from a backup: %w", file, err)
	}
	if key, err = parseKey[K](der); err != nil {
		return key, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// parseKey reads a key in PKCS #8.
func parseKey[K any](der []byte) (key K, err error) {
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return key, err
	}
	key, ok := any.(K)
	if !ok {
		return key, fmt.Errorf("it is a %T; want a %T", any, key)
	}
	return key, nil
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
