package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/backup"
	"github.com/vungxa/vungxa/node/store/keyring"
)

type restoreCmd struct {
	From        string `required:"" type:"existingdir" help:"The directory of backups." vi:"Thư mục sao lưu."`
	Dir         string `required:"" type:"path" help:"A new directory for the node; it must be empty." vi:"Thư mục mới cho nút; phải trống."`
	Number      uint64 `help:"Which backup; the newest if not said." vi:"Bản số mấy; không nói thì bản mới nhất."`
	Identity    string `type:"existingfile" placeholder:"FILE" help:"The recovery key: a file with a line AGE-SECRET-KEY-1..." vi:"Khóa khôi phục: tệp có dòng AGE-SECRET-KEY-1..."`
	Keys        string `type:"existingdir" placeholder:"DIR" help:"Instead of a recovery key: a directory with a kept copy of the old node's key file." vi:"Thay cho khóa khôi phục: thư mục có bản cất giữ của tệp khóa (keys) của nút cũ."`
	Authority   string `placeholder:"HEX" help:"The authority's public key that the node must be under; compare it where you can." vi:"Khóa công khai của cơ quan cấp chứng thư cho nút; hãy đối chiếu nếu có thể."`
	NewPassword bool   `help:"Let a new password open the new store; without it, the key lies beside the disk." vi:"Đặt mật khẩu mới để mở kho mới; không có thì khóa nằm cạnh đĩa."`
	JSON        bool   `help:"Print one JSON object." vi:"In một đối tượng JSON."`
	unlock
}

// Run makes a node anew from its backup.
func (r restoreCmd) Run(ctx context.Context, c *console) error {
	asker := newAsker(c, r.PasswordStdin)
	who, err := r.who(asker)
	if err != nil {
		return err
	}
	order := daemon.RestoreOrder{From: r.From, Number: r.Number, Who: who, Secret: keyring.BesideSecret(), Authority: r.Authority}
	if r.NewPassword {
		if order.Secret, err = asker.newPassword(); err != nil {
			return err
		}
	}
	done, err := daemon.Restore(ctx, r.Dir, order, options(c, nil))
	if node.CodeOf(err) == node.ReadOnly || errors.Is(err, syscall.ENOSPC) {
		err = noRoom(r.Dir, err)
	}
	if err != nil {
		return err
	}
	if r.JSON {
		return json.NewEncoder(c.out).Encode(done)
	}
	c.say("Đã khôi phục %q vào %s từ bản số %d, lúc %s: %d mẩu dữ liệu, %s.",
		"Restored %q to %s from backup %d, of %s: %d pieces of data, %s.",
		done.Name, done.Dir, done.Number, c.when(done.MadeMS), done.Items, c.bytes(done.Bytes))
	c.say("Khóa cơ quan cấp: %s", "Authority: %s", done.Authority)
	c.say("Máy này là chính thiết bị cũ với nhật ký mới. Đừng chạy bản cũ nữa; nếu máy cũ có thể đang ở tay người khác, hãy báo tỉnh thu hồi nó.",
		"This is the old device with new logs. Don't run the old one any more; if it may be in other hands, tell the province to revoke it.")
	if !r.NewPassword {
		c.say("%s Thêm mật khẩu: vungxa keys add password --dir %s", "%s Add a password: vungxa keys add password --dir %s", c.text(keyring.ClassNone.Says()), done.Dir)
	}
	return nil
}

// noRoom is a disk that doesn't hold what is to be restored.
func noRoom(dir string, err error) error {
	return node.Errorf(node.Unavailable,
		"Ổ đĩa của %[1]s không đủ chỗ để khôi phục. Bản sao lưu vẫn nguyên. Hãy giải phóng chỗ hoặc chọn ổ khác (--dir), rồi chạy lại cùng lệnh này. (%[2]w)",
		"the disk of %[1]s has no room for what is to be restored; the backups are as they were. Make room or choose another disk (--dir), and run the same command again (%[2]w)", dir, err)
}

// who are the identities that open the set.
func (r restoreCmd) who(ask *asker) ([]age.Identity, error) {
	if r.Identity == "" && r.Keys == "" {
		return nil, node.Errorf(node.Invalid,
			"Hãy nói bằng gì mở bản sao lưu: --identity TỆP (khóa khôi phục), hoặc --keys THƯ_MỤC (có bản cất giữ của tệp khóa).",
			"say what opens the backup: --identity FILE (a recovery key), or --keys DIR (with a kept copy of the key file)")
	}
	return identities(ask, r.unlock, r.Identity, r.Keys)
}

func (restoreCmd) stopped() node.Text {
	return node.Text{
		VI: "Đã dừng: thư mục mới chưa thành nút. Hãy chạy lại cùng lệnh này; nó dọn phần dở và làm từ đầu.",
		EN: "stopped: the new directory is no node yet. Run the same command again; it clears what is there and begins anew.",
	}
}

// identities open a set of backups: a recovery key, or the key file of its store.
func identities(ask *asker, u unlock, file, keys string) ([]age.Identity, error) {
	if file != "" {
		return readIdentity(file)
	}
	secrets, err := u.secrets(ask, keys)
	if err != nil {
		return nil, err
	}
	ring, err := keyring.Open(keys, rand.Reader, secrets...)
	if err != nil {
		return nil, err
	}
	return []age.Identity{backup.Own(ring.Keys())}, nil
}

// maxIdentity is more than any recovery key's file, in bytes.
const maxIdentity = 64 << 10

func readIdentity(name string) ([]age.Identity, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ids, err := age.ParseIdentities(io.LimitReader(f, maxIdentity))
	if err != nil {
		// The cause may quote a line of the file: it stays out of the sentence.
		return nil, node.Errorf(node.Invalid, "Tệp khóa khôi phục %s không đúng dạng: cần một dòng bắt đầu bằng %s.",
			"the recovery key's file %s can't be read: it has a line that begins with %s", name, strings.ToUpper("age-secret-key-1"))
	}
	return ids, nil
}
