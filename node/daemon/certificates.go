package daemon

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/backup"
	"github.com/vungxa/vungxa/node/store/durable"
)

// badFile is a file of a node's directory that can't be read or believed.
type badFile struct {
	name string // relative to the directory
	err  error  // with what to do
}

func (b badFile) Error() string { return b.err.Error() }
func (b badFile) Unwrap() error { return b.err }

func (b badFile) finding() Finding {
	return Finding{Part: "certificates", Kind: "damaged", Place: b.name, Do: certificateDo, What: node.Text{
		VI: "Chứng thư này mất hoặc hỏng nên không được tin.", EN: "This certificate is gone or damaged and isn't believed.",
	}}
}

var certificateDo = node.Text{
	VI: "Dừng nút rồi chạy `vungxa repair --from BẢN_SAO_LƯU`, hoặc chép lại tệp từ nơi đã cấp vào chỗ của nó (của máy khác: thư mục certificates).",
	EN: "Stop the node and run `vungxa repair --from BACKUP`, or copy the file again from who issued it to its place (another device's: the directory certificates).",
}

// verifyCertificates tells of certificates that are damaged, and of devices that this
// node has none of: those that it calls, and those whose entries it holds. Without one
// nobody here can tell that a seal is that device's own.
func (d *Daemon) verifyCertificates(count func(Finding)) error {
	now, err := readPublic(d.dir) // as the files are now, also of a node that runs
	if finding := Unopened(err); finding != nil {
		count(*finding)
		return nil
	}
	if err == nil {
		err = d.addStored(now.directory)
	}
	if err != nil {
		return err
	}
	for _, bad := range now.bad {
		count(bad.finding())
	}
	wanted, err := d.named()
	if err != nil {
		return err
	}
	err = d.store.View(func(tx *store.Tx) error {
		return tx.Logs(func(l store.Log) error {
			wanted[l.ID.Device] = true
			return nil
		})
	})
	if node.CodeOf(err) == node.Damaged {
		err = nil // on the store's list
	}
	for _, device := range slices.SortedFunc(maps.Keys(wanted), func(a, b crdt.Device) int { return slices.Compare(a[:], b[:]) }) {
		if _, known := now.directory.ByDevice(device); !known {
			count(Finding{Part: "certificates", Kind: "missing", Place: device.String(), Do: certificateDo, What: node.Text{
				VI: "Không có chứng thư của máy này, nên không kết nối được với nó và không kiểm được chữ ký niêm phong của nó.",
				EN: "There is no certificate of this device: no line to it opens, and its seals can't be checked.",
			}})
		}
	}
	return err
}

// named are the devices that node.json names.
func (d *Daemon) named() (map[crdt.Device]bool, error) {
	all := map[crdt.Device]bool{}
	for _, p := range d.self.config.Peers {
		device, err := crdt.ParseDevice(p.Device)
		if err != nil {
			return nil, err
		}
		all[device] = true
	}
	return all, nil
}

// mendCertificates takes certificates that are damaged or gone from a backup, before
// anything is opened that needs them. What it can't mend is told by who needs it.
func (d *Daemon) mendCertificates(ctx context.Context, o RepairOrder) (mended []string, err error) {
	isSet, _, err := kindOf(o.From)
	if err != nil || !isSet || d.certificatesWhole() {
		return nil, err
	}
	config, err := ReadConfig(d.dir)
	if err != nil {
		return nil, err
	}
	set, manifest, err := d.openSet(o)
	if err != nil {
		return nil, err
	}
	files := nodeFiles{}
	err = set.Restore(ctx, manifest, backup.Sink{File: func(name string, offset uint64, piece []byte) error {
		if name != fileCertificate && path.Dir(name) != dirCertificates {
			return nil
		}
		return files.piece(name, offset, piece)
	}})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err != nil {
			break
		}
		at := filepath.Join(d.dir, filepath.FromSlash(name))
		current, readErr := os.ReadFile(at)
		if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
			err = readErr
			break
		}
		if _, bad := certified(config.Authority, current); bad == nil {
			continue
		}
		if _, bad := certified(config.Authority, files[name]); bad != nil {
			continue // damaged when it was backed up
		}
		err = durable.WriteFile(at, files[name])
		mended = append(mended, name)
	}
	return mended, errors.Join(err, set.Close())
}

// certificatesWhole says whether nothing about certificates is to be mended.
func (d *Daemon) certificatesWhole() bool {
	s, err := readPublic(d.dir)
	if err != nil || len(s.bad) > 0 {
		return false
	}
	named, err := (&Daemon{self: s}).named()
	for device := range named {
		if _, known := s.directory.ByDevice(device); !known {
			return false
		}
	}
	return err == nil
}
