package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/backup"
)

type verifyCmd struct {
	Dir      string `type:"path" help:"The node's directory; the node may be running or not." vi:"Thư mục của nút; nút có thể đang chạy hoặc không."`
	Backup   string `type:"existingdir" help:"A directory of backups to read as well, or instead." vi:"Một thư mục sao lưu, đọc thêm hoặc đọc thay."`
	Identity string `type:"existingfile" placeholder:"FILE" help:"The recovery key that opens the backups; without it, the node's own key does." vi:"Khóa khôi phục mở các bản sao lưu; không có thì dùng khóa của chính nút."`
	JSON     bool   `help:"Print one JSON object for each finding, and one at the end." vi:"In một đối tượng JSON cho mỗi chỗ hỏng, và một ở cuối."`
	unlock
}

// errDamage is a verification that found something: it has been told, and a script
// learns it from the exit code.
var errDamage = errors.New("damage was found")

// Run reads everything and says what is wrong.
func (v verifyCmd) Run(ctx context.Context, c *console) error {
	if v.Dir == "" && v.Backup == "" {
		return node.Errorf(node.Invalid, "Hãy nói kiểm tra gì: --dir THƯ_MỤC, --backup THƯ_MỤC, hoặc cả hai.", "say what to verify: --dir DIR, --backup DIR, or both")
	}
	var sum daemon.Verified
	if v.Dir != "" {
		done, err := v.node(ctx, c)
		if err != nil {
			return err
		}
		sum = done
	}
	if v.Backup != "" {
		done, err := v.backups(ctx, c)
		if err != nil {
			return err
		}
		sum.Backups, sum.Findings = done.Backups, sum.Findings+done.Findings
	}
	return v.sum(c, sum)
}

func (v verifyCmd) sum(c *console, sum daemon.Verified) (err error) {
	if v.JSON {
		err = json.NewEncoder(c.out).Encode(sum)
	} else {
		if v.Dir != "" {
			c.say("Đã đọc %d mẩu dữ liệu của kho (cả mục lục), trong đó có %d mục nhật ký.", "Read %d pieces of the store's data (indexes too), among them %d log entries.", sum.Keys, sum.Entries)
		}
		if v.Backup != "" {
			c.say("Đã đọc %d bản sao lưu.", "Read %d backups.", sum.Backups)
		}
		if sum.Findings == 0 {
			c.say("Mọi thứ đúng như lúc ghi.", "Everything is as it was written.")
		} else {
			c.say("Có %d mục hỏng như trên.", "%d things are wrong, as told above.", sum.Findings)
		}
	}
	if err == nil && sum.Findings > 0 {
		err = errDamage
	}
	return err
}

// alike is how many findings of one kind are told one by one to people, who have to do
// the same about all of them.
const alike = 8

func (v verifyCmd) tell(c *console) func(daemon.Finding) error {
	told := map[string]int{}
	return func(f daemon.Finding) error {
		if v.JSON {
			return json.NewEncoder(c.out).Encode(f)
		}
		kind := f.Part + " " + f.Kind
		switch told[kind]++; {
		case told[kind] == alike+1:
			c.say("- %s: … còn nữa; --json kể đủ từng chỗ.", "- %s: … and more; --json tells each.", c.text(partNames[f.Part]))
			return nil
		case told[kind] > alike:
			return nil
		}
		_, err := fmt.Fprintf(c.out, "- %s: %s %s\n", heading(c, f), c.text(f.What), c.text(f.Do))
		return err
	}
}

var partNames = map[string]node.Text{
	"store":        {VI: "Kho", EN: "Store"},
	"records":      {VI: "Hồ sơ", EN: "Records"},
	"attachments":  {VI: "Tệp đính kèm", EN: "Attachments"},
	"certificates": {VI: "Chứng thư", EN: "Certificates"},
	"erasure":      {VI: "Lệnh xóa", EN: "Erasure"},
	"backup":       {VI: "Bản sao lưu", EN: "Backup"},
}

// places are the words in which a place is told.
var places = strings.NewReplacer("newest commits", "các lần ghi mới nhất", "generation ", "thế hệ ", "index of ", "mục lục của ",
	"index ", "mục lục ", "history of ", "lịch sử của ", "log ", "nhật ký ", " entry ", " mục ")

// heading says where a finding is.
func heading(c *console, f daemon.Finding) string {
	place := f.Place
	if !c.english {
		place = places.Replace(place)
	}
	return strings.TrimSpace(c.text(partNames[f.Part]) + " " + place)
}

// node verifies a node's directory. A store that can't be opened is a finding.
func (v verifyCmd) node(ctx context.Context, c *console) (daemon.Verified, error) {
	tell, unopened := v.tell(c), 0
	at := atNode{ctx: ctx, console: c, dir: v.Dir, unlock: v.unlock, open: openToVerify(func(f daemon.Finding) error {
		unopened++
		return tell(f)
	})}
	done, err := ask(at, "verify", struct{}{}, func(d *daemon.Daemon) (daemon.Verified, error) {
		return d.Verify(ctx, tell)
	}, func(line json.RawMessage) error {
		var f daemon.Finding
		if err := json.Unmarshal(line, &f); err != nil {
			return err
		}
		return tell(f)
	})
	if finding := daemon.Unopened(err); finding != nil {
		unopened++
		err = tell(*finding)
	}
	done.Findings += unopened
	return done, err
}

// openToVerify opens a node with its records, or where those can't be, tells so and
// opens its store alone.
func openToVerify(tell func(daemon.Finding) error) func(string, daemon.Options) (*daemon.Daemon, error) {
	return func(dir string, o daemon.Options) (*daemon.Daemon, error) {
		d, err := daemon.OpenStored(dir, o)
		if finding := daemon.Unopened(err); finding != nil {
			d, storeErr := daemon.OpenStore(dir, o)
			if storeErr != nil {
				return nil, err
			}
			return d, tell(*finding)
		}
		return d, err
	}
}

// backups verifies a set.
func (v verifyCmd) backups(ctx context.Context, c *console) (done daemon.Verified, err error) {
	who, err := v.who(c)
	if err != nil {
		return done, err
	}
	set, err := backup.Open(v.Backup, who...)
	if finding := daemon.Unopened(err); finding != nil {
		finding.Part, finding.Do, done.Findings = "backup", node.Text{}, 1 // What says it
		return done, v.tell(c)(*finding)
	}
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	return daemon.VerifyBackups(ctx, set, v.tell(c))
}

func (v verifyCmd) who(c *console) ([]age.Identity, error) {
	ask, keys := newAsker(c, v.PasswordStdin), ""
	if v.Identity == "" {
		keys = v.Dir
	}
	if v.Identity == "" && keys == "" {
		return nil, node.Errorf(node.Invalid,
			"Hãy nói bằng gì mở bản sao lưu: --identity TỆP (khóa khôi phục), hoặc --dir THƯ_MỤC của nút đã sao lưu.",
			"say what opens the backups: --identity FILE (a recovery key), or --dir DIR, the node that they are of")
	}
	return identities(ask, v.unlock, v.Identity, keys)
}

func (verifyCmd) stopped() node.Text {
	return node.Text{
		VI: "Đã dừng khi chưa đọc hết: những chỗ chưa đọc có thể vẫn hỏng. Dữ liệu không thay đổi; hãy chạy lại để đọc từ đầu.",
		EN: "stopped before all was read: what was not may still be damaged. Nothing has changed; run it again to read from the beginning.",
	}
}
