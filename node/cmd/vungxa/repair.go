package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/vungxa/vungxa/node/daemon"
)

type repairCmd struct {
	Dir      string `required:"" type:"path" help:"The node's directory; the node is not running."`
	From     string `type:"existingdir" help:"Where more may be: a directory of backups of this node, or the directory of another node that isn't running."`
	Identity string `type:"existingfile" placeholder:"FILE" help:"The recovery key that opens the backups; without it, the node's own key does."`
	JSON     bool   `help:"Print one JSON object."`
	unlock
}

// Run repairs a store, and says what came back and what did not.
func (r repairCmd) Run(ctx context.Context, c *console) error {
	order := daemon.RepairOrder{From: r.From}
	if r.Identity != "" {
		who, err := readIdentity(r.Identity)
		if err != nil {
			return err
		}
		order.Who = who
	}
	opts, err := r.options(c, r.Dir, nil)
	if err != nil {
		return err
	}
	done, err := daemon.Repair(ctx, r.Dir, order, opts)
	if err != nil {
		return err
	}
	if r.JSON {
		err = json.NewEncoder(c.out).Encode(done)
	} else {
		r.tell(c, done)
	}
	if err == nil && len(done.Lost)+len(done.Unused) > 0 {
		err = errDamage
	}
	return err
}

func (r repairCmd) tell(c *console, done daemon.Repaired) {
	c.say("Đã đọc lại từ đĩa %d mục còn nguyên; %d mục không tin được.", "Read %d sound items from the disk; %d were not believed.", done.Values, done.ValuesBad)
	if len(done.Damaged) > 0 {
		c.say("Tệp hỏng: %s", "Damaged files: %s", strings.Join(done.Damaged, ", "))
	}
	if done.Backup > 0 {
		c.say("Đã lấy thêm từ bản sao lưu số %d.", "More was taken from backup %d.", done.Backup)
	}
	c.say("Kho mới có %d mục nhật ký; hồ sơ và mục lục được dựng lại từ đó.", "The new store has %d log entries; records and indexes were computed from them.", done.Entries)
	for _, s := range done.Lost {
		c.say("Chưa có lại: %s, mục %d-%d.", "Not back yet: %s, entries %d-%d.", s.Log, s.From, s.To)
	}
	for _, s := range done.Unused {
		c.say("Đọc được nhưng chưa dùng được vì thiếu phần trước: %s, mục %d-%d.",
			"Read, and useless until what is before them is back: %s, entries %d-%d.", s.Log, s.From, s.To)
	}
	if len(done.Lost)+len(done.Unused) > 0 {
		c.say("Phần mà máy khác đã nhận sẽ tự về khi đồng bộ. Phần còn lại: chạy lại với --from (bản sao lưu, hoặc thư mục của máy khác).",
			"What other devices have received comes back by syncing. For the rest, run again with --from (a backup, or another node's directory).")
	}
	if len(done.Older) > 0 {
		c.say("Danh sách cán bộ, mật khẩu và các đường truyền đã ngắt không nằm trong nhật ký nên có thể là bản cũ hơn: hãy kiểm tra lại.",
			"The officers, their passwords and the lines that were cut are in no log, so they may be older than the last that was written: check them.")
	}
	if done.Was == "" {
		return
	}
	c.say("Kho cũ vẫn nằm ở %s; hãy giữ nó cho tới khi yên tâm.", "The old store lies in %s; keep it until you are content.", done.Was)
}
