package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/durable"
)

type backupCmd struct {
	Dir         string   `required:"" type:"path" help:"The node's directory; the node may be running or not." vi:"Thư mục của nút; nút có thể đang chạy hoặc không."`
	To          string   `required:"" type:"path" help:"The directory of backups, best on another disk. It is made if it isn't there, and later backups read what is there and write what has changed or is damaged." vi:"Thư mục sao lưu, tốt nhất trên ổ đĩa khác. Chưa có thì được tạo; lần sau chỉ ghi phần thay đổi hoặc hỏng."`
	Recipient   []string `placeholder:"age1..." help:"A recovery key's public half: who holds the other half can restore. Kept for later backups." vi:"Nửa công khai của một khóa khôi phục: ai giữ nửa kia thì khôi phục được. Được nhớ cho các lần sau."`
	NewRecovery string   `type:"path" placeholder:"FILE" help:"Make a recovery key, write its secret half to this file and add its public half. Keep the file away from the backups." vi:"Tạo một khóa khôi phục, ghi nửa bí mật vào tệp này và thêm nửa công khai. Hãy giữ tệp xa các bản sao lưu."`
	Keep        int      `help:"Let all but so many of the newest backups expire; 0 keeps all." vi:"Chỉ giữ chừng này bản mới nhất; 0 giữ tất cả."`
	JSON        bool     `help:"Print one JSON object." vi:"In một đối tượng JSON."`
	unlock
}

// Run backs a node up and says what it did.
func (b backupCmd) Run(ctx context.Context, c *console) error {
	if inside(b.Dir, b.To) {
		return node.Errorf(node.Invalid,
			"Bản sao lưu nằm trong chính thư mục của nút sẽ mất cùng nó. Hãy chọn nơi khác (--to), tốt nhất là ổ đĩa khác.",
			"a backup in the node's own directory is lost with it; choose another place (--to), best another disk")
	}
	if err := b.place(c); err != nil {
		return err
	}
	order := daemon.BackupOrder{To: b.To, Recipients: b.Recipient, Keep: b.Keep, Program: version}
	if b.NewRecovery != "" {
		recipient, err := b.newRecovery()
		if err != nil {
			return err
		}
		order.Recipients = append(order.Recipients, recipient)
	}
	at := atNode{ctx: ctx, console: c, dir: b.Dir, unlock: b.unlock, open: daemon.OpenStore}
	report, err := ask(at, "backup", order, func(d *daemon.Daemon) (daemon.BackupReport, error) { return d.Backup(ctx, order) }, nil)
	if b.NewRecovery != "" {
		b.tellRecovery(c, order.Recipients[len(order.Recipients)-1], err)
	}
	if err != nil {
		return err
	}
	if b.JSON {
		return errors.Join(json.NewEncoder(c.out).Encode(report), leftOut(report))
	}
	c.say("Đã sao lưu vào %s: bản số %d, gồm %d mẩu dữ liệu gốc (không kể mục lục, vì dựng lại được), %s; ghi mới %d/%d phần (%s).",
		"Backed up to %s: backup %d, of %d pieces of data (without indexes, which are computed again), %s; %d of %d parts are new (%s).",
		report.To, report.Number, report.Items, c.bytes(report.Bytes), report.PartsNew, report.Parts, c.bytes(report.BytesNew))
	if report.Expired > 0 {
		c.say("Đã bỏ các bản cũ: %d phần.", "Older backups have expired: %d parts were removed.", report.Expired)
	}
	if len(report.Recipients) == 0 {
		c.say("Chưa có khóa khôi phục: nếu máy này mất, chỉ bản cất giữ của tệp khóa mới mở được bản sao lưu. Hãy thêm --new-recovery TỆP.",
			"There is no recovery key: if this machine is lost, only a kept copy of its key file opens the backup. Add --new-recovery FILE.")
	}
	for _, f := range report.LeftOut {
		c.say("Không vào được bản sao lưu: %s. %s", "Not in the backup: %s. %s", f.Place, c.text(f.What))
	}
	return leftOut(report)
}

// place refuses a place for backups whose disk isn't there, and warns of one on the
// node's own.
func (b backupCmd) place(c *console) error {
	at := b.To
	if _, err := os.Stat(at); errors.Is(err, os.ErrNotExist) {
		at = filepath.Dir(at)
		if _, err := os.Stat(at); err != nil {
			return node.Errorf(node.NotFound,
				"Chưa có thư mục %s để đặt bản sao lưu: có lẽ ổ đĩa hay USB chưa được cắm, và sao lưu sẽ rơi vào ổ hệ thống. Hãy cắm nó, hoặc tự tạo thư mục này trước.",
				"there is no directory %s for the backups: perhaps the disk or stick isn't plugged in, and they would go to the system's disk; plug it in, or make that directory first", at)
		}
	}
	if sameDisk(b.Dir, at) {
		c.warn("Chú ý: %s nằm cùng ổ đĩa với nút (hoặc USB chưa được gắn vào đó). Ổ này hỏng hay mất thì mất cả hai; hãy có thêm bản sao lưu ở ổ khác.",
			"Note: %s is on the node's own disk (or the stick is not mounted there). Both are lost with that disk; have backups on another one too.", b.To)
	}
	return nil
}

// tellRecovery says where the secret half is and what to do with it, also after a
// backup that failed: the file is there.
func (b backupCmd) tellRecovery(c *console, recipient string, failed error) {
	c.warn("Đã ghi khóa khôi phục vào %s. Ai có tệp này và bản sao lưu thì đọc được tất cả: hãy cất nó ở nơi khác, xa máy này và xa bản sao lưu, và thử mở bằng `vungxa verify --backup %s --identity %[1]s`.",
		"The recovery key is in %s. Who has this file and the backups can read everything: keep it elsewhere, away from this machine and from the backups, and try it with `vungxa verify --backup %s --identity %[1]s`.", b.NewRecovery, b.To)
	if failed != nil {
		c.warn("Lần sao lưu này chưa xong. Khi chạy lại, hãy dùng chính khóa đó: --recipient %s", "This backup did not end. When you run it again, use that same key: --recipient %s", recipient)
	}
}

func (backupCmd) stopped() node.Text {
	return node.Text{
		VI: "Đã dừng: bản này chưa xong nên không được tính; các bản trước vẫn nguyên. Hãy chạy lại: phần đã ghi được dùng lại.",
		EN: "stopped: this backup doesn't count, and the earlier ones are as they were. Run it again: what was written is used.",
	}
}

// leftOut is the damage that a backup met.
func leftOut(r daemon.BackupReport) error {
	if len(r.LeftOut) > 0 {
		return errDamage
	}
	return nil
}

// newRecovery writes a new recovery key's secret half, before anything rests on it,
// and gives its public half.
func (b backupCmd) newRecovery() (recipient string, err error) {
	if inside(b.Dir, b.NewRecovery) || inside(b.To, b.NewRecovery) {
		return "", node.Errorf(node.Invalid,
			"Khóa khôi phục để cạnh dữ liệu hoặc cạnh bản sao lưu thì ai lấy được cái này cũng có cái kia. Hãy chọn nơi khác.",
			"a recovery key beside the data or the backups goes to whoever takes those; choose another place")
	}
	if _, err := os.Lstat(b.NewRecovery); !errors.Is(err, os.ErrNotExist) {
		return "", errors.Join(err, node.Errorf(node.Conflict, "Tệp %s đã có. Hãy chọn tên khác: một khóa khôi phục không được ghi đè.",
			"the file %s is there; choose another name: a recovery key is never written over", b.NewRecovery))
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("make a recovery key: %w", err)
	}
	recipient = id.Recipient().String()
	return recipient, durable.WriteFile(b.NewRecovery, fmt.Appendf(nil, "# vungxa backup recovery key\n# public key: %s\n%s\n", recipient, id))
}

// atNode is where a command does its work: at the node that runs on a directory, or
// else on the directory itself.
type atNode struct {
	ctx     context.Context
	console *console
	dir     string
	unlock  unlock
	open    func(dir string, o daemon.Options) (*daemon.Daemon, error)
}

// ask has the running node do a job, or does it at rest. told gets what either tells
// meanwhile.
func ask[R any](at atNode, job string, order any, rest func(*daemon.Daemon) (R, error), told func(json.RawMessage) error) (result R, err error) {
	running, err := daemon.Running(at.dir)
	if err != nil {
		return result, err
	}
	if running != nil {
		door := client.Door{Page: running.URL, Secret: running.Secret, English: at.console.english}
		err := door.Do(at.ctx, job, order, told, &result)
		return result, err
	}
	opts, err := at.unlock.options(at.console, at.dir, nil)
	if err != nil {
		return result, err
	}
	d, err := at.open(at.dir, opts)
	if err != nil {
		return result, err
	}
	result, err = rest(d)
	return result, errors.Join(err, d.Close())
}
