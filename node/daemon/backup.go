package daemon

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/backup"
)

// BackupOrder is what a backup is asked for.
type BackupOrder struct {
	To         string   `json:"to"`         // directory of the set of backups
	Recipients []string `json:"recipients"` // recovery keys (age1...) to add to the set's
	Keep       int      `json:"keep"`       // how many of the newest backups stay; 0: all
	Program    string   `json:"program"`    // version of the program that asks
}

// BackupReport is what became of it.
type BackupReport struct {
	backup.Report
	To         string    `json:"to"`
	Recipients []string  `json:"recipients"` // all recovery keys that open the set
	Expired    int       `json:"expired"`    // parts that were removed with old backups
	LeftOut    []Finding `json:"left_out"`   // attachments that can't be read
}

// OpenStore opens the store of a node that isn't running, and nothing that reads its
// records: what is done to a store as a whole. It makes none.
func OpenStore(dir string, opts Options) (*Daemon, error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	return d.open(d.lock, d.openKeys, d.readSelf, d.hasStored, d.limitMemory, d.openStoreAlone, d.openAttachments)
}

// Store is the node's store.
func (d *Daemon) Store() *store.Store { return d.store }

// Backup adds a backup of the node to a set. The node may work meanwhile: the backup
// is of the moment at which it began.
func (d *Daemon) Backup(ctx context.Context, o BackupOrder) (r BackupReport, err error) {
	keys := d.ring.Keys()
	set, err := backup.Writable(o.To, keys, o.Recipients, d.opts.Rand)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	files, err := d.files()
	if err != nil {
		return r, err
	}
	attached, left, err := attachments(ctx, d.attached)
	if err != nil {
		return r, fmt.Errorf("back up: %w", err)
	}
	files = append(files, attached...)
	about := backup.About{
		MadeMS: d.opts.Now().UnixMilli(), Program: o.Program, Device: d.self.claims.Device,
		StoreID: keys.StoreID, StoreFormat: store.Format, Certificate: d.self.certificate, Sign: d.sign,
	}
	mark := func(tx *store.Tx) error { return tx.MarkBackup(set.ID(), about.MadeMS) }
	if err := d.store.Update(mark); err != nil && node.CodeOf(err) != node.ReadOnly { // a full disk is backed up without
		return r, err
	}
	r.To, r.Recipients, r.LeftOut = o.To, set.Recipients(), left
	if r.Report, err = set.Add(ctx, about, backup.Node(files, d.store.Export)); err != nil {
		return r, err
	}
	if o.Keep > 0 {
		r.Expired, err = set.Expire(o.Keep)
	}
	return r, err
}

// Names of what a backup holds beside the store. Keys are carried as PKCS #8: the
// backup seals them, and the restored node seals them anew.
const (
	backupSealKey  = "seal-key"
	backupPeerKey  = "peer-key"
	backupNoiseKey = "noise-key" // these two where the certificate has them
	backupHPKEKey  = "hpke-key"

	backupNoiseBefore = "noise-key-before" // once there was another
)

// files are the files that make a directory this node.
func (d *Daemon) files() (files []backup.File, err error) {
	for file, key := range keyFiles(d.self.keys) {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		files = append(files, backup.Bytes(strings.TrimSuffix(file, ".sealed"), der))
	}
	names, err := filepath.Glob(filepath.Join(d.dir, dirCertificates, allCertificates))
	if err != nil {
		return nil, err
	}
	for _, name := range append(names, filepath.Join(d.dir, fileConfig), filepath.Join(d.dir, fileCertificate)) {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("back up: %w", err)
		}
		relative, err := filepath.Rel(d.dir, name)
		if err != nil {
			return nil, err
		}
		files = append(files, backup.Bytes(filepath.ToSlash(relative), b))
	}
	return files, nil
}
