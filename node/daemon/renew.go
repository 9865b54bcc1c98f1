package daemon

import (
	"crypto/ecdh"
	"errors"
	"path/filepath"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
)

// Renew gives a node that isn't running another key for the thin link, and the
// certificate of a higher epoch that names it. Others call by the key that they know,
// and hear of the new one in the session: the key before is kept, and goes with the next
// renewal. The certificate is written last; a crash before leaves the node as it was,
// and Renew may be called again.
func Renew(dir string, opts Options, key *ecdh.PrivateKey, certificate []byte) (err error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	if _, err := d.open(d.lock, d.openKeys, d.readSelf); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	claims, err := d.self.directory.Verify(certificate)
	if err != nil {
		return err
	}
	next, old := d.self.keys, d.self.claims
	next.Noise = key
	if claims.Device != old.Device || claims.Epoch <= old.Epoch || !next.Fit(&claims) {
		return node.Errorf(node.Invalid,
			"Chứng thư mới không dùng được cho nút này: phải là của thiết bị này, có kỳ cao hơn và đúng khóa mới. Hãy xin cấp lại.",
			"the new certificate doesn't fit this node: it must be this device's, of a higher epoch, and for the new key; have it issued again")
	}
	if d.self.keys.Noise != nil && key.Equal(d.self.keys.Noise) {
		// The keys stay where they lie: after a renewal that stopped, this one lies as the one before.
		return durable.WriteFile(filepath.Join(dir, fileCertificate), certificate)
	}
	next.NoiseBefore = d.self.keys.Noise
	for _, k := range []struct {
		file string
		key  *ecdh.PrivateKey
	}{{fileNoiseBefore, next.NoiseBefore}, {fileNoiseKey, next.Noise}} {
		if k.key == nil {
			continue // there was none before
		}
		b, err := sealKey(d.ring.Keys(), k.file, k.key)
		if err == nil {
			err = durable.WriteFile(filepath.Join(dir, k.file), b)
		}
		if err != nil {
			return err
		}
		renewalStep(k.file)
	}
	return durable.WriteFile(filepath.Join(dir, fileCertificate), certificate)
}

// renewalStep is told of every step; tests look at the node in it.
var renewalStep = func(string) {}
