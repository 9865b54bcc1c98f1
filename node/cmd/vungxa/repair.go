package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
)

type repairCmd struct {
	Dir      string `required:"" type:"path" help:"The node's directory; the node is not running." vi:"Thư mục của nút; nút không chạy."`
	From     string `type:"existingdir" help:"Where more may be: a directory of backups of this node, or the directory of another node that isn't running." vi:"Nơi có thể lấy thêm: thư mục sao lưu của nút này, hoặc thư mục của một nút khác không chạy."`
	Identity string `type:"existingfile" placeholder:"FILE" help:"The recovery key that opens the backups; without it, the node's own key does." vi:"Khóa khôi phục mở các bản sao lưu; không có thì dùng khóa của chính nút."`
	Empty    bool   `help:"Where nothing can be read and there is no --from: begin with an empty store." vi:"Khi không đọc được gì và không có --from: bắt đầu với một kho trống."`
	JSON     bool   `help:"Print one JSON object." vi:"In một đối tượng JSON."`
	unlock
}

// Run repairs a store, and says what came back and what did not.
func (r repairCmd) Run(ctx context.Context, c *console) error {
	order := daemon.RepairOrder{From: r.From, Empty: r.Empty}
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
	if err == nil && len(done.Lost)+len(done.Unused)+len(done.AttachedLost) > 0 {
		err = errDamage
	}
	return err
}

func (r repairCmd) tell(c *console, done daemon.Repaired) {
	c.say("Đã đọc lại từ các tệp trên đĩa %d mẩu dữ liệu còn nguyên (kể cả mục lục và các bản ghi trước); %d mẩu không tin được.", "Read %d sound pieces of data from the files on the disk (indexes and earlier versions too); %d were not believed.", done.Values, done.ValuesBad)
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
	for _, kind := range done.Older {
		c.say("Có thể là bản cũ hơn lần ghi cuối, hãy kiểm tra lại: %s.", "It may be older than the last that was written, check it: %s.", c.text(daemon.OlderSays(kind)))
	}
	for _, name := range done.Aside {
		c.say("Để riêng vì không giải mã được (phần còn lại đã sửa xong): %s. Hãy báo cho người phụ trách phần mềm.",
			"Set aside, as it can't be decoded (the rest is repaired): %s. Tell whoever looks after the software.", name)
	}
	for _, name := range done.Certificates {
		c.say("Đã lấy lại chứng thư từ bản sao lưu: %s.", "Taken back from the backup: the certificate %s.", name)
	}
	if done.Attached > 0 {
		c.say("Đã lấy lại %d tệp đính kèm.", "%d attachments came back.", done.Attached)
	}
	for _, f := range done.AttachedLost {
		c.say("Chưa có lại: %s. %s", "Not back yet: %s. %s", f.Place, c.text(f.What))
	}
	r.tellAside(c, done)
}

// tellAside says where the old store lies, and what is to be done about it.
func (r repairCmd) tellAside(c *console, done daemon.Repaired) {
	for _, name := range done.Removed {
		c.say("Đã xóa kho cũ %s, vì có lệnh xóa dữ liệu mà nó có thể không theo.", "The older store %s was removed: it may not have obeyed an order to erase.", name)
	}
	switch {
	case done.Was == "":
	case done.Orders > 0:
		c.say("Kho cũ nằm ở %s. Nó có thể còn giữ dữ liệu đã có lệnh xóa (%d lệnh): khi đã yên tâm về kho mới, hãy xóa thư mục đó. `vungxa verify` sẽ nhắc cho tới khi xóa.",
			"The old store lies in %s. It may hold what was ordered to be erased (%d orders): when you are content with the new store, delete that directory. `vungxa verify` reminds you until then.", done.Was, done.Orders)
	default:
		c.say("Kho cũ vẫn nằm ở %s; hãy giữ nó cho tới khi yên tâm.", "The old store lies in %s; keep it until you are content.", done.Was)
	}
}

func (repairCmd) stopped() node.Text {
	return node.Text{
		VI: "Đã dừng: kho cũ vẫn ở chỗ của nó, chưa có gì thay đổi. Chạy lại lệnh này lúc nào cũng được; nó làm từ đầu.",
		EN: "stopped: the old store is in its place and nothing has changed. Run it again at any time; it begins anew.",
	}
}
