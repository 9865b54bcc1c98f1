package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/sync/identity"
)

const benchScope = crdt.Scope("c/01290")

// openOffice opens a real engine on a real store in a directory.
func openOffice(dir string, now func() time.Time) (*engine.Bare, error) {
	key, err := identity.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	pack, err := packs.Commune()
	if err != nil {
		return nil, err
	}
	return engine.OpenBare(dir, key, engine.Config{
		Pack: pack, Role: identity.RoleBox, Scopes: []crdt.Scope{benchScope}, Now: now, Rand: rand.Reader,
	})
}

// Save times durable saves of one dossier each, beside the same disk's own
// fsync of 4 KiB at the end of a file: turn by turn, so that both see the same
// noise.
func Save(ctx context.Context, dir string, n int, now func() time.Time, report Report) (err error) {
	dir, err = os.MkdirTemp(dir, "vungxa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o, err := openOffice(filepath.Join(dir, "store"), now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	var saves, syncs []time.Duration
	for i := range n {
		began := now()
		if _, err := o.Save(ctx, dossier(i, began)); err != nil {
			return err
		}
		saves = append(saves, now().Sub(began))
		began = now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		syncs = append(syncs, now().Sub(began))
	}
	spread(report, "save", saves, time.Millisecond, "ms", budget(2*percentile(syncs, 50, time.Millisecond)+2))
	spread(report, "disk_fsync", syncs, time.Millisecond, "ms", nil)
	return nil
}

func dossier(i int, at time.Time) engine.Save {
	return engine.Save{Officer: "bench", Class: crdt.ClassRecords, Changes: []engine.Change{{
		Collection: "dossiers", Values: dossierValues(i, at),
	}}}
}

func dossierValues(i int, at time.Time) map[string]any {
	return map[string]any{
		"MaTTHC": "2.000815", "ChuHoSo": fmt.Sprintf("Người Mẫu Số %d", i), "KenhThucHien": "1", "LoaiDoiTuong": "0",
		"DiaChi": fmt.Sprintf("Xóm %d, dữ liệu mẫu", i%40), "NgayTiepNhan": at.UnixMilli(),
		"NgayHenTra": at.Add(72 * time.Hour).UnixMilli(), "TrangThaiHoSo": "2",
	}
}
