package daemon

import (
	"context"
	"path/filepath"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/engine"
)

// openAttachments opens the node's attachments; it makes nothing.
func (d *Daemon) openAttachments() (err error) {
	d.attached, err = d.attachmentsAt(d.dir)
	d.travels = &files{d: d}
	return err
}

func (d *Daemon) attachmentsAt(dir string) (*attach.Store, error) {
	return attach.OpenStore(filepath.Join(dir, dirAttachments), attach.Options{Keys: d.ring.Keys()})
}

// Attachments are the node's attachments: Put one before the save that points to it.
func (d *Daemon) Attachments() *attach.Store { return d.attached }

// forget has what lies beside the store's items obey an order to erase: attachments,
// older copies in the store's files, copies of the store that were put aside. The log
// names what it removed of those, for whoever kept them.
func (d *Daemon) forget(erased []attach.Hash) error {
	for _, h := range erased {
		if err := d.travels.erase(h); err != nil {
			return err
		}
	}
	removed, err := d.store.Purge()
	for _, name := range removed {
		d.opts.Log.Warn("an order to erase was obeyed: a copy put aside, which may have held what it names, was removed", "path", name)
	}
	return err
}

// collect takes away attachments that nothing points to any more, and tries again what
// is left of orders to erase.
func (d *Daemon) collect(ctx context.Context) {
	if err := d.engine.Obey(); err != nil {
		d.opts.Log.Error("an order to erase isn't wholly carried out", "error", err)
	}
	done, err := d.engine.CollectAttachments(ctx, d.attached)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.opts.Log.Error("attachments can't be collected", "error", err)
	case done.Removed > 0:
		d.opts.Log.Info("attachments that nothing points to were removed", "kept", done.Kept, "removed", done.Removed, "bytes", done.Bytes)
	}
}

var attachedWords = map[attach.Kind]node.Text{
	attach.Damaged: {VI: "Tệp đính kèm này không còn như lúc ghi nên không mở được.", EN: "This attachment isn't as it was written and can't be opened."},
	attach.Missing: {VI: "Có hồ sơ trỏ tới tệp đính kèm này, nhưng tệp không có ở đây.", EN: "A record points to this attachment, and it isn't here."},
	attach.Foreign: {VI: "Tệp lạ nằm giữa các tệp đính kèm; chương trình không dùng nó.", EN: "A file that is no attachment lies among them; nothing uses it."},
}

var attachedDo = node.Text{
	VI: "Dừng nút rồi chạy `vungxa repair --from BẢN_SAO_LƯU`.", EN: "Stop the node and run `vungxa repair --from BACKUP`.",
}

func ofAttachments(f attach.Finding) Finding {
	place := filepath.ToSlash(filepath.Join(dirAttachments, f.File[:min(2, len(f.File))], f.File))
	found := Finding{Part: "attachments", Kind: string(f.Kind), Place: place, What: attachedWords[f.Kind], Do: attachedDo}
	if f.Kind == attach.Foreign {
		found.Place = filepath.ToSlash(filepath.Join(dirAttachments, f.File))
		found.Do = node.Text{VI: "Xem đó là gì rồi chuyển đi nơi khác.", EN: "See what it is, and move it elsewhere."}
	}
	return found
}

// verifyAttached reads every attachment, and says how many. While the store is damaged
// nobody knows all that is pointed to: what of it is missing is then not told, and the
// store's damage is.
func verifyAttached(ctx context.Context, s *attach.Store, e *engine.Engine, count func(Finding)) (read int, err error) {
	referenced := func(f func(attach.Hash) error) error {
		if e == nil {
			return nil
		}
		err := e.Attachments(ctx, f)
		if node.CodeOf(err) == node.Damaged {
			count(Finding{Part: "attachments", Kind: "unknown", Place: dirAttachments, What: node.Text{
				VI: "Chưa biết có thiếu tệp đính kèm nào không, vì kho có chỗ hỏng.",
				EN: "Whether attachments are missing isn't known, because the store is damaged.",
			}, Do: repairDo})
			return nil
		}
		return err
	}
	return s.Verify(ctx, referenced, func(f attach.Finding) { count(ofAttachments(f)) })
}
