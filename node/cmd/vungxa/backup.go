package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/durable"
)

type backupCmd struct {
	Dir         string   `required:"" type:"path" help:"The node's directory; the node may be running or not."`
	To          string   `required:"" type:"path" help:"The directory of backups, best on another disk. It is made if it isn't there, and later backups read what is there and write what has changed or is damaged."`
	Recipient   []string `placeholder:"age1..." help:"A recovery key's public half: who holds the other half can restore. Kept for later backups."`
	NewRecovery string   `type:"path" placeholder:"FILE" help:"Make a recovery key, write its secret half to this file and add its public half. Keep the file away from the backups."`
	Keep        int      `help:"Let all but so many of the newest backups expire; 0 keeps all."`
	JSON        bool     `help:"Print one JSON object."`
	unlock
}

// Run backs a node up and says what it did.
func (b backupCmd) Run(ctx context.Context, c *console) error {
	if inside(b.Dir, b.To) {
		return node.Errorf(node.Invalid,
			"Bản sao lưu nằm trong chính thư mục của nút sẽ mất cùng nó. Hãy chọn nơi khác (--to), tốt nhất là ổ đĩa khác.",
			"a backup in the node's own directory is lost with it; choose another place (--to), best another disk")
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
	if err != nil {
		return err
	}
	if b.JSON {
		return errors.Join(json.NewEncoder(c.out).Encode(report), leftOut(report))
	}
	c.say("Đã sao lưu vào %s: bản số %d, %d mục, %s; ghi mới %d/%d phần (%s).",
		"Backed up to %s: backup %d, %d items, %s; %d of %d parts are new (%s).",
		report.To, report.Number, report.Items, bytesText(report.Bytes), report.PartsNew, report.Parts, bytesText(report.BytesNew))
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

// bytesText is a number of bytes as people read it.
func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)>>10)
}

// when is a time as people read it, here.
func when(ms int64) string { return time.UnixMilli(ms).Format("2006-01-02 15:04") }

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
