package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/node/store/sealed"
	"github.com/vungxa/vungxa/sync/hub"
)

// A change of the data key makes everything that lies under it anew in a directory
// beside, and then puts that in its place:
//
//	the key file holds both keys -> next/ is made -> next/whole is written
//	-> each of next/ takes its place -> the key file holds the new key -> next/ goes
//
// next/whole decides, since it is sealed with the new key. Before it a crash leaves
// the node as it was, and the next start gives the change up; after it the next
// start finishes.
const (
	dirNext      = "next"
	fileWhole    = "whole"
	purposeWhole = "rotation: next is whole"
)

// underTheKey are the names in a node's directory whose content the data key opens.
var underTheKey = []string{dirStore, dirAttachments, dirRaft, fileSealKey, filePeerKey, fileNoiseKey, fileNoiseBefore, fileHPKEKey}

// rotationStep is told of every step; tests are killed in it.
var rotationStep = func(string) {}

// Rotate changes the data key of a node that isn't running. opts.Secrets open the
// slots that stay; drop allows the others to go. The disk needs room for a second
// copy of the node meanwhile. begun is called when nothing speaks against it.
func Rotate(ctx context.Context, dir string, opts Options, drop bool, begun func()) (p keyring.Protection, err error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	if _, err := d.open(d.lock, d.openKeys, d.readSelf); err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.mayDrop(drop); err != nil {
		return p, err
	}
	begun()
	if _, err := d.ring.Begin(opts.Secrets...); err != nil {
		return p, err
	}
	old, next, _ := d.ring.Rotating()
	if err := d.makeNext(ctx, old, next); err != nil {
		return p, errors.Join(err, d.giveUp())
	}
	if err := d.writeWhole(next); err != nil {
		return p, err // written or not: the next start looks
	}
	err = d.finishRotation()
	return d.ring.Protection(), err
}

// mayDrop refuses a change that would silently shut someone out.
func (d *Daemon) mayDrop(drop bool) error {
	lacking, err := d.ring.Lacking(d.opts.Secrets...)
	if err != nil || len(lacking) == 0 || drop {
		return err
	}
	return node.Errorf(node.Conflict,
		"Các cách mở số %s không dùng bí mật nào đã đưa, nên sẽ mất khi đổi khóa dữ liệu. Hãy đưa thêm mật khẩu hoặc khóa của chúng, hoặc chạy lại với --drop.",
		"none of the secrets given opens the slots %s, so a change of the data key would drop them; give their passwords or keys too, or run again with --drop", listed(lacking))
}

func listed(numbers []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}

// settleRotation takes up a change that was cut short.
func (d *Daemon) settleRotation() error {
	_, next, rotating := d.ring.Rotating()
	_, err := os.Stat(filepath.Join(d.dir, dirNext, fileWhole))
	whole := err == nil
	switch {
	case rotating && whole && d.isWhole(next):
		d.opts.Log.Warn("finishing a change of the data key")
		return d.finishRotation()
	case rotating:
		d.opts.Log.Warn("giving up a change of the data key that was cut short")
		return d.giveUp()
	case d.ring.Protection().Rotating && whole:
		return node.Errorf(node.Unauthenticated,
			"Khóa dữ liệu đã đổi, và cách mở này không có khóa mới. Hãy mở bằng một cách được giữ lại.",
			"the data key was changed, and this slot hasn't the new one; open with a slot that stayed")
	case !d.ring.Protection().Rotating:
		return d.removeNext()
	}
	return nil
}

func (d *Daemon) isWhole(next keyring.Keys) bool {
	b, err := os.ReadFile(filepath.Join(d.dir, dirNext, fileWhole))
	if err == nil {
		_, err = sealed.Open(next, purposeWhole, b)
	}
	return err == nil
}

func (d *Daemon) writeWhole(next keyring.Keys) error {
	b, err := sealed.Seal(next, purposeWhole, nil)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(d.dir, dirNext, fileWhole), b)
}

func (d *Daemon) giveUp() error {
	return errors.Join(d.removeNext(), d.ring.Settle(false))
}

func (d *Daemon) removeNext() error {
	return os.RemoveAll(filepath.Join(d.dir, dirNext))
}

// makeNext makes everything anew under the new key.
func (d *Daemon) makeNext(ctx context.Context, old, next keyring.Keys) error {
	rotationStep("before next")
	if err := d.removeNext(); err != nil {
		return err
	}
	at := filepath.Join(d.dir, dirNext)
	if err := os.Mkdir(at, 0o700); err != nil {
		return fmt.Errorf("change the data key: %w", err)
	}
	for name, key := range keyFiles(d.self.keys) {
		b, err := sealKey(next, name, key)
		if err == nil {
			err = durable.WriteFile(filepath.Join(at, name), b)
		}
		if err != nil {
			return fmt.Errorf("change the data key: %w", err)
		}
	}
	rotationStep("keys")
	if err := d.copyStore(ctx, old, next); err != nil {
		return fmt.Errorf("change the data key: %w", err)
	}
	rotationStep("store")
	if err := d.copyAttachments(ctx, old, next); err != nil {
		return fmt.Errorf("change the data key: %w", err)
	}
	err := hub.Reseal(filepath.Join(d.dir, dirRaft), filepath.Join(at, dirRaft), raftSealer{old}, raftSealer{next}, d.opts.Log)
	if err != nil {
		return fmt.Errorf("change the data key: %w", err)
	}
	rotationStep("raft")
	return durable.SyncDir(at)
}

func (d *Daemon) copyStore(ctx context.Context, old, next keyring.Keys) (err error) {
	if err := d.mayMake(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.dir, dirStore)); errors.Is(err, fs.ErrNotExist) {
		return nil // a node that has never run
	}
	open := func(dir string, keys keyring.Keys) (*store.Store, error) {
		return store.Open(dir, store.Options{Log: d.opts.Log, Keys: keys, Now: d.opts.Now})
	}
	from, err := open(filepath.Join(d.dir, dirStore), old)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := errors.Join(wholeStore(from), d.nothingAside()); err != nil {
		return err
	}
	to, err := open(filepath.Join(d.dir, dirNext, dirStore), next)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return to.CopyAll(ctx, from)
}

// wholeStore refuses what a copy would be silent about: its list of damage, and that
// this device's logs had come further, stay behind with the old store's files. The
// device would go on under its old incarnation and write a second history.
func wholeStore(s *store.Store) error {
	r := s.Recovered()
	if len(s.Damage()) == 0 && r.Commits == 0 && len(r.Behind) == 0 && !r.Unknown {
		return nil
	}
	return node.Errorf(node.Damaged,
		"Kho dữ liệu có chỗ hỏng hoặc thiếu phần mới nhất, nên chưa đổi được khóa dữ liệu. Khóa cũ vẫn dùng được. Hãy xem `vungxa verify`, chạy `vungxa repair`, rồi đổi khóa lại.",
		"the store is damaged or lacks what was written last, so its data key isn't changed; the old key stays. See `vungxa verify`, run `vungxa repair`, and change the key again")
}

// nothingAside refuses while stores that were put aside lie there (store.was-N): the
// new key wouldn't open them, and whoever has the old one would still read them.
func (d *Daemon) nothingAside() error {
	aside, err := filepath.Glob(filepath.Join(d.dir, dirStore+".was-*"))
	if err != nil || len(aside) == 0 {
		return err
	}
	return node.Errorf(node.Conflict,
		"Các kho cũ %v còn nằm dưới khóa dữ liệu cũ: khóa mới không mở được chúng, còn ai có khóa cũ thì vẫn đọc được. Khi không cần nữa, hãy xóa chúng rồi đổi khóa lại.",
		"the old stores %v lie under the old data key: the new one wouldn't open them, and whoever has the old one could still read them; when you don't need them any more, delete them and change the key again", aside)
}

// removeScratch takes away what unfinished work on the store left under the old key.
func (d *Daemon) removeScratch() error {
	var errs []error
	for _, suffix := range []string{".next", ".salvage"} {
		errs = append(errs, os.RemoveAll(filepath.Join(d.dir, dirStore+suffix)))
	}
	return errors.Join(errs...)
}

// copyAttachments does nothing at a node that has none.
func (d *Daemon) copyAttachments(ctx context.Context, old, next keyring.Keys) error {
	at := filepath.Join(d.dir, dirAttachments)
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	from, err := attach.OpenStore(at, attach.Options{Keys: old})
	if err != nil {
		return err
	}
	to, err := attach.OpenStore(filepath.Join(d.dir, dirNext, dirAttachments), attach.Options{Keys: next})
	if err != nil {
		return err
	}
	return to.CopyAll(ctx, from)
}

// finishRotation puts what is in next/ in its place. Each step may be repeated.
func (d *Daemon) finishRotation() error {
	for _, name := range underTheKey {
		rotationStep("placing " + name)
		made, place := filepath.Join(d.dir, dirNext, name), filepath.Join(d.dir, name)
		if _, err := os.Stat(made); errors.Is(err, fs.ErrNotExist) {
			continue // in its place already, or this node has none
		}
		if err := os.RemoveAll(place); err != nil {
			return fmt.Errorf("change the data key: %w", err)
		}
		rotationStep("between " + name)
		if err := os.Rename(made, place); err != nil {
			return fmt.Errorf("change the data key: %w", err)
		}
	}
	if err := errors.Join(d.removeScratch(), durable.SyncDir(d.dir)); err != nil {
		return err
	}
	rotationStep("placed")
	if err := d.ring.Settle(true); err != nil {
		return err
	}
	rotationStep("settled")
	return d.removeNext()
}
