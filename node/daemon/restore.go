package daemon

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/backup"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// RestoreOrder is what a restore is asked for.
type RestoreOrder struct {
	From   string         // directory of the set of backups
	Number uint64         // of the backup; 0: the newest
	Who    []age.Identity // opens the set
	Secret keyring.Secret // of the new key file's first slot
	Label  string         // of that slot
	// Authority is the authority's public key, hexadecimal, that the node must be
	// under; empty where nobody knows it from elsewhere.
	Authority string
}

// Restored is what became of it.
type Restored struct {
	Number    uint64 `json:"number"`
	MadeMS    int64  `json:"made_ms"`
	Device    string `json:"device"`
	Name      string `json:"name"`      // of the device, by its certificate
	Authority string `json:"authority"` // that certified it
	Items     uint64 `json:"items"`
	Bytes     uint64 `json:"bytes"`
	Dir       string `json:"dir"`
}

// fileRestoring lies in a directory while a restore is under way.
const fileRestoring = "restore.begun"

// Restore makes a node anew from a backup, in an empty directory. It is the same
// device with a new store id and a new data key, and will write under a new
// incarnation: what it wrote after the backup may be held by others, and would be a
// second history of its logs. All of the backup is verified, and what was stored is
// compared to it; the last file written is node.json, which makes the directory a
// node. What an interrupted restore left is taken away by the next.
func Restore(ctx context.Context, dir string, o RestoreOrder, opts Options) (r Restored, err error) {
	set, err := backup.Open(o.From, o.Who...)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	m, err := set.Manifest(o.Number)
	if err != nil {
		return r, err
	}
	if err := set.Present(m); err != nil {
		return r, err
	}
	unlock, err := Lock(dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := beginRestore(dir); err != nil {
		return r, err
	}
	ring, err := keyring.Create(dir, o.Secret, o.Label, opts.Rand)
	if err != nil {
		return r, err
	}
	files, err := restoreStore(ctx, dir, ring.Keys(), set, m, opts)
	if err != nil {
		return r, err
	}
	claims, config, own, err := files.vouchedFor(m, o.Authority)
	if err != nil {
		return r, err
	}
	if err := sealOwn(dir, ring.Keys(), claims.Device, own, opts); err != nil {
		return r, err
	}
	if err := markMade(dir); err != nil {
		return r, err
	}
	if err := files.enrol(dir, config, own, ring.Keys()); err != nil {
		return r, err
	}
	r = Restored{
		Number: m.Number, MadeMS: m.MadeMS, Device: claims.Device.String(), Name: claims.Name, Authority: config.Authority,
		Items: m.Items, Bytes: m.Bytes, Dir: dir,
	}
	return r, restored(dir)
}

// restored takes the mark of a restore away, where node.json says that it was
// finished: the next restore would take the node away with it.
func restored(dir string) error {
	err := os.Remove(filepath.Join(dir, fileRestoring))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take away the mark of a restore: %w", err)
	}
	return durable.SyncDir(dir)
}

// beginRestore takes a directory that is empty, or in which a restore was begun and
// not finished.
func beginRestore(dir string) error {
	_, err := os.Lstat(filepath.Join(dir, fileConfig))
	if err == nil {
		err = node.Errorf(node.Conflict,
			"Trong thư mục %s đã có một nút. Hãy chọn một thư mục mới: khôi phục không ghi đè lên thứ gì.",
			"there is a node in %s; choose a new directory: restoring writes over nothing", dir)
		return errors.Join(err, restored(dir))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for a node: %w", err)
	}
	if err := durable.Sweep(filepath.Join(dir, fileRestoring)); err != nil {
		return fmt.Errorf("take away what a restore left that was interrupted as it began: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the directory: %w", err)
	}
	begun := slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == fileRestoring })
	for _, e := range entries {
		if e.Name() == "lock" || e.Name() == fileRestoring {
			continue
		}
		if !begun {
			return node.Errorf(node.Conflict,
				"Thư mục %s không trống. Hãy chọn một thư mục mới: khôi phục không ghi đè lên thứ gì.",
				"the directory %s is not empty; choose a new one: restoring writes over nothing", dir)
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("take away what an interrupted restore left: %w", err)
		}
	}
	return durable.WriteFile(filepath.Join(dir, fileRestoring), []byte("vungxa restore\n"))
}

// restoreStore fills the new store, and gives the files that lay beside the old one.
func restoreStore(ctx context.Context, dir string, keys keyring.Keys, set *backup.Set, m *backup.Manifest, opts Options) (files nodeFiles, err error) {
	limitMemory() // also a hub's: it may be restored on whatever machine is there
	s, err := store.OpenAs(filepath.Join(dir, dirStore), store.Options{Log: opts.Log, Keys: keys, Now: opts.Now, Busy: busy}, m.StoreFormat)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	files = nodeFiles{}
	there, err := attach.OpenStore(filepath.Join(dir, dirAttachments), attach.Options{Keys: keys})
	if err != nil {
		return nil, err
	}
	attached := &attachSink{ctx: ctx, store: there}
	err = s.Load(func(put func(key, value []byte) error) error {
		return set.Restore(ctx, m, backup.Sink{Item: put, File: func(name string, offset uint64, piece []byte) error {
			if strings.HasPrefix(name, backupAttach) {
				return attached.piece(name, offset, piece)
			}
			return files.piece(name, offset, piece)
		}})
	})
	if err = errors.Join(err, attached.end()); err != nil {
		return nil, err
	}
	list, _, err := attachments(ctx, there) // one that is damaged makes it another list
	if err != nil {
		return nil, err
	}
	same, err := set.Same(ctx, m, backup.Node(append(list, files.list()...), s.Loaded))
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, node.Errorf(node.Damaged, "Kho vừa khôi phục không giống bản sao lưu: đĩa mới có thể bị lỗi. Hãy thử đĩa khác.",
			"what was restored is not what the backup holds: the new disk may be bad; try another one")
	}
	if err := s.Forget(); err != nil {
		return nil, err
	}
	if err := obeyLater(ctx, s, set, m); err != nil {
		return nil, err
	}
	err = s.Update(func(tx *store.Tx) error { return beginEpoch(tx, opts.Now().Unix()) })
	return files, err
}

// obeyLater takes the orders of erasure that later backups of the set hold: the
// engine carries them out when it opens, before anything is shown.
func obeyLater(ctx context.Context, s *store.Store, set *backup.Set, m *backup.Manifest) error {
	numbers, err := set.Manifests()
	if err != nil || numbers[len(numbers)-1] == m.Number {
		return err
	}
	newest, err := set.Manifest(0)
	if err == nil {
		err = s.Load(func(put func(key, value []byte) error) error {
			return set.Restore(ctx, newest, backup.Sink{Item: func(key, value []byte) error {
				if kind, _, ok := store.LocalOf(key); !ok || kind != engine.KindErasure {
					return nil
				}
				return put(key, engine.Reorder(value))
			}})
		})
	}
	if err != nil {
		return node.Errorf(node.Damaged,
			"Bản sao lưu mới nhất không đọc được, nên không biết sau bản số %d có lệnh xóa nào theo luật. Hãy bỏ tệp của bản hỏng ra khỏi thư mục nếu vẫn muốn khôi phục: %w",
			"the newest backup can't be read, so nobody knows which erasures by law were ordered after backup %d; take the damaged backup's file out of the directory if you want to restore in spite of that: %w", m.Number, err)
	}
	return nil
}

// metaEpoch is the hub epoch that a restored hub begins; missing where none was.
const metaEpoch = "hub/epoch"

// beginEpoch sees to it that raft's new log on a restored hub is not taken for the
// old one. Seconds are larger than any epoch before, and differ where one backup is
// restored twice.
func beginEpoch(tx *store.Tx, seconds int64) error {
	last, err := readEpoch(tx)
	if err != nil {
		return err
	}
	b, err := wire.Marshal(max(last+1, uint64(max(0, seconds))))
	if err != nil {
		return err
	}
	return tx.PutMeta(metaEpoch, b)
}

func readEpoch(tx *store.Tx) (epoch uint64, err error) {
	b, err := tx.Meta(metaEpoch)
	if err != nil || b == nil {
		return 0, err
	}
	if err := wire.Unmarshal(b, 16, &epoch); err != nil {
		return 0, fmt.Errorf("the hub's epoch: %w", err)
	}
	return epoch, nil
}

// nodeFiles are the small files of a node, by name.
type nodeFiles map[string][]byte

// maxFiles bounds what is kept in memory, in bytes.
const maxFiles = 16 << 20

func (n nodeFiles) piece(name string, offset uint64, piece []byte) error {
	if offset != uint64(len(n[name])) || offset+uint64(len(piece)) > maxFiles || len(n) > 4096 {
		return fmt.Errorf("the file %s of the backup is not as it should be", name)
	}
	n[name] = append(n[name], piece...)
	if n[name] == nil {
		n[name] = []byte{}
	}
	return nil
}

func (n nodeFiles) list() (files []backup.File) {
	for name, b := range n {
		files = append(files, backup.Bytes(name, b))
	}
	return files
}

// sealOwn seals what the device had saved and not sealed when it was backed up:
// under its new incarnation it never comes back to its old logs. What it sealed of
// them later has the same beginning.
func sealOwn(dir string, keys keyring.Keys, device crdt.Device, own Keys, opts Options) (err error) {
	s, err := store.Open(filepath.Join(dir, dirStore), store.Options{Log: opts.Log, Keys: keys, Now: opts.Now})
	if err != nil {
		return err
	}
	sign := func(message []byte) []byte { return ed25519.Sign(own.Seal, message) }
	return errors.Join(sealLogs(s, device, sign), s.Close())
}

func sealLogs(s *store.Store, device crdt.Device, sign func([]byte) []byte) error {
	return s.Update(func(tx *store.Tx) error {
		var open []store.Log
		err := tx.Logs(func(l store.Log) error {
			if l.ID.Device == device && l.Sealed != l.Head {
				open = append(open, l)
			}
			return nil
		})
		for _, l := range open {
			seal, signErr := wire.Sign(l.ID, l.Head, sign)
			if err = errors.Join(err, signErr); err == nil {
				err = tx.Seal(&l, seal)
			}
		}
		return err
	})
}

// enrol writes what makes the directory a node again, node.json last.
func (n nodeFiles) enrol(dir string, config *Config, own Keys, keys keyring.Keys) error {
	var peers [][]byte
	for _, name := range slices.Sorted(maps.Keys(n)) {
		if path.Dir(name) == dirCertificates {
			peers = append(peers, n[name])
		}
	}
	return Enrol(dir, config, own, keys, n[fileCertificate], peers...)
}

// vouchedFor reads what the node was, and sees to it that the device, certified by
// the authority, signed the backup. Without the authority's key from elsewhere, that
// is the one which the backup itself names: who has a recovery key should compare it.
func (n nodeFiles) vouchedFor(m *backup.Manifest, authority string) (claims identity.Claims, config *Config, own Keys, err error) {
	config = &Config{}
	d := json.NewDecoder(bytes.NewReader(n[fileConfig]))
	d.DisallowUnknownFields()
	if err := d.Decode(config); err != nil {
		return claims, nil, own, node.Errorf(node.Invalid, "node.json trong bản sao lưu không đọc được: %w", "node.json in the backup can't be read: %w", err)
	}
	if own, err = n.keys(); err != nil {
		return claims, nil, own, err
	}
	if authority != "" && !strings.EqualFold(authority, config.Authority) {
		return claims, nil, own, node.Errorf(node.Forbidden, "Bản sao lưu thuộc về một hệ thống khác: khóa cơ quan cấp của nó là %s.",
			"the backup is of another system: its authority's key is %s", config.Authority)
	}
	if claims, err = certified(config.Authority, n[fileCertificate]); err != nil {
		return claims, nil, own, err
	}
	if !own.Fit(&claims) || !m.SignedBy(claims.SealKey) {
		return claims, nil, own, node.Errorf(node.Forbidden,
			"Bản sao lưu không do thiết bị ghi trong nó ký: có thể ai đó đã làm giả. Không có gì được khôi phục.",
			"the backup is not signed by the device that it is of: someone may have forged it. Nothing was restored")
	}
	return claims, config, own, nil
}

// certified are the claims of a certificate under an authority's key.
func certified(authority string, certificate []byte) (claims identity.Claims, err error) {
	root, err := hex.DecodeString(authority)
	if err != nil {
		return claims, fmt.Errorf("the authority's key: %w", err)
	}
	directory, err := identity.New(root)
	if err != nil {
		return claims, err
	}
	return directory.Verify(certificate)
}

// keys are the device's own: the carriers' where the backup has them.
func (n nodeFiles) keys() (k Keys, err error) {
	if k.Seal, err = parseKey[ed25519.PrivateKey](n[backupSealKey]); err != nil {
		return k, fmt.Errorf("the device's key for seals: %w", err)
	}
	if k.Peer, err = parseKey[ed25519.PrivateKey](n[backupPeerKey]); err != nil {
		return k, fmt.Errorf("the device's key for connections: %w", err)
	}
	if der, ok := n[backupNoiseKey]; ok {
		if k.Noise, err = parseKey[*ecdh.PrivateKey](der); err != nil {
			return k, fmt.Errorf("the device's key for the thin link: %w", err)
		}
	}
	if der, ok := n[backupNoiseBefore]; ok {
		if k.NoiseBefore, err = parseKey[*ecdh.PrivateKey](der); err != nil {
			return k, fmt.Errorf("the device's former key for the thin link: %w", err)
		}
	}
	if der, ok := n[backupHPKEKey]; ok {
		if k.HPKE, err = parseKey[*ecdh.PrivateKey](der); err != nil {
			return k, fmt.Errorf("the device's key for bundles: %w", err)
		}
	}
	return k, nil
}
