package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/dump"
)

type dumpCmd struct {
	Dir        string `required:"" type:"path" help:"The node's directory; the node may be running or not." vi:"Thư mục của nút; nút có thể đang chạy hoặc không."`
	Collection string `xor:"what" help:"The records of one collection, as petitions; without it, all." vi:"Hồ sơ của một loại, ví dụ petitions; không có thì tất cả."`
	Log        bool   `xor:"what" help:"The entries of all logs instead of the records: who wrote what, when. Also of a store that can't be opened." vi:"Các mục nhật ký thay cho hồ sơ: ai ghi gì, lúc nào. Cả với kho không mở được."`
	Out        string `type:"path" placeholder:"FILE" help:"A new file, for this user alone; without it, standard output." vi:"Một tệp mới, chỉ người dùng này đọc được; không có thì in ra màn hình."`
	unlock
}

// Run writes what is stored as lines of JSON.
func (r dumpCmd) Run(ctx context.Context, c *console) (err error) {
	out, done, err := r.out(c)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	c.warn("Bản kết xuất không được mã hóa và có đủ mọi dữ liệu cá nhân: hãy giữ như hồ sơ giấy, và xóa khi dùng xong.",
		"A dump is not encrypted and holds all personal data: keep it as you keep the files on paper, and delete it after use.")
	tell := dump.Lines[any](out)
	order := daemon.DumpOrder{Log: r.Log, Collection: r.Collection}
	at := atNode{ctx: ctx, console: c, dir: r.Dir, unlock: r.unlock, open: daemon.OpenStore}
	told, err := ask(at, "dump", order, func(d *daemon.Daemon) (daemon.Dumped, error) {
		return d.Dump(ctx, order, tell)
	}, func(line json.RawMessage) error {
		_, err := fmt.Fprintf(out, "%s\n", line)
		return err
	})
	if node.CodeOf(err) == node.Damaged && r.Log && told.Lines == 0 {
		told, err = r.salvaged(ctx, c, tell)
	}
	if err != nil {
		return err
	}
	c.warn("%d dòng; %d chỗ không đọc được hoặc không tin được.", "%d lines; %d things could not be read or believed.", told.Lines, told.Skipped)
	if told.Skipped > 0 {
		return errDamage
	}
	return nil
}

func (r dumpCmd) salvaged(ctx context.Context, c *console, tell func(any) error) (daemon.Dumped, error) {
	opts, err := r.options(c, r.Dir, nil)
	if err != nil {
		return daemon.Dumped{}, err
	}
	c.warn("Kho không mở được; đây là những gì còn đọc được từ đĩa.", "The store can't be opened; this is what can be read from the disk.")
	return daemon.DumpSalvaged(ctx, r.Dir, opts, tell)
}

// out is where the lines go. A file is new: nothing is written over, and nobody else
// has had it open.
func (r dumpCmd) out(c *console) (io.Writer, func(error) error, error) {
	if r.Out == "" {
		w := bufio.NewWriter(c.out)
		return w, func(err error) error { return errors.Join(err, w.Flush()) }, nil
	}
	f, err := os.OpenFile(r.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, nil, node.Errorf(node.Conflict, "Tệp %s đã có. Hãy chọn tên khác.", "the file %s is there; choose another name", r.Out)
	}
	if err != nil {
		return nil, nil, err
	}
	w := bufio.NewWriter(f)
	return w, func(err error) error {
		written := errors.Join(w.Flush(), f.Sync(), f.Close())
		if written == nil && (err == nil || errors.Is(err, errDamage)) {
			return err
		}
		return errors.Join(r.broken(written), err, os.Remove(r.Out))
	}, nil
}

// broken is a dump that couldn't be written. Its file goes: half of people's data
// would lie there unencrypted, and look whole.
func (r dumpCmd) broken(written error) error {
	if written == nil {
		return nil
	}
	return node.Errorf(node.Unavailable, "Không ghi được bản kết xuất %w. Tệp dở đã được xóa. Hãy chọn ổ đĩa còn chỗ.",
		"the dump can't be written: %w; what there was of it is removed. Choose a disk that has room", written)
}

func (r dumpCmd) stopped() node.Text {
	if r.Out == "" {
		return node.Text{VI: "Đã dừng: những dòng đã in chưa đủ. Hãy chạy lại.", EN: "stopped: the lines printed are not all. Run it again."}
	}
	return node.Text{VI: "Đã dừng; tệp dở đã được xóa. Hãy chạy lại.", EN: "stopped; what there was of the file is removed. Run it again."}
}
