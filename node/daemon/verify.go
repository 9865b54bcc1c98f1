package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/backup"
)

// Finding is something wrong with what a node has stored.
type Finding struct {
	Part  string    `json:"part"`  // "store", "records", "attachments", "certificates", "erasure", "backup"
	Kind  string    `json:"kind"`  // of its part
	Place string    `json:"place"` // kinds and numbers, nothing of a person's
	What  node.Text `json:"what"`
	Do    node.Text `json:"do"`
}

// Verified is what was read, and how much of it is wrong.
type Verified struct {
	Keys     uint64 `json:"keys"`
	Entries  uint64 `json:"entries"`
	Records  bool   `json:"records"`  // they were compared to the logs
	Attached int    `json:"attached"` // attachments read
	Backups  int    `json:"backups"`
	Findings int    `json:"findings"`
}

// Verify reads everything that the node has stored, and tells what is wrong: first
// what is not as it was written, then what contradicts itself. The node may work
// meanwhile.
func (d *Daemon) Verify(ctx context.Context, tell func(Finding) error) (v Verified, err error) {
	scrubbed, err := d.store.Scrub(ctx, nil)
	v.Keys, v.Entries = scrubbed.Keys, scrubbed.Entries
	if err != nil {
		return v, err
	}
	count := func(f Finding) {
		v.Findings++
		if err == nil {
			err = tell(f)
		}
	}
	for _, x := range scrubbed.Damage {
		count(ofStore(x))
	}
	beside := []func() error{func() (failed error) {
		v.Attached, failed = verifyAttached(ctx, d.attached, d.engine, count)
		return failed
	}}
	if d.engine != nil {
		v.Records = true
		beside = append(beside, func() error {
			return d.engine.Verify(ctx, func(f engine.Finding) { count(ofRecords(f)) })
		}, func() error { return d.verifyCertificates(count) }, func() error { return d.verifyErasures(count) }, func() error { return d.verifyLists(count) })
	}
	for _, verify := range beside {
		if err != nil {
			return v, err
		}
		if err = verify(); node.CodeOf(err) == node.Damaged && v.Findings > 0 {
			err = nil // by what was told already
			count(Finding{Part: "records", Kind: "unread", What: node.Text{
				VI: "Chưa so được hết hồ sơ với nhật ký, vì kho có chỗ hỏng.", EN: "Not all records could be compared to the logs, because the store is damaged.",
			}, Do: repairDo})
		}
	}
	return v, err
}

// verifyLists tells of lists that can't be shown because their index isn't made: what
// is stored is well, and people see nothing of it.
func (d *Daemon) verifyLists(count func(Finding)) error {
	views, err := d.engine.Views()
	for _, v := range views {
		if v.Ready || v.Err == nil {
			continue
		}
		why := node.Reason(v.Err)
		count(Finding{Part: "records", Kind: "unbuilt", What: node.Text{
			VI: "Mục lục chưa dựng xong nên danh sách và số liệu chưa xem được. " + why.VI, EN: "Lists and figures can't be shown, because their index isn't made yet. " + why.EN,
		}, Do: node.Text{
			VI: "Hết trở ngại đó thì nút đang chạy tự dựng tiếp.", EN: "A running node goes on with it when that is out of the way.",
		}})
	}
	return err
}

// verifyErasures tells of orders to erase that something here doesn't obey yet.
func (d *Daemon) verifyErasures(count func(Finding)) error {
	all, err := d.engine.Erasures()
	if err != nil || len(all) == 0 {
		return err
	}
	left, err := d.engine.Unobeyed()
	if err != nil {
		return err
	}
	for _, er := range left {
		count(Finding{Part: "erasure", Kind: "unfinished", Place: er.Number, What: node.Text{
			VI: "Lệnh xóa này chưa thực hiện trọn vẹn: bản cũ, tệp đính kèm hoặc chỗ hỏng của dữ liệu đã xóa có thể còn trên đĩa.",
			EN: "This order to erase isn't wholly carried out: older copies, attachments or damaged pieces of what it names may still be on the disk.",
		}, Do: node.Text{
			VI: "Khởi động lại nút: nó sẽ làm tiếp. Nếu kho hỏng, hãy sửa bằng `vungxa repair`.", EN: "Start the node again: it goes on with it. If the store is damaged, mend it with `vungxa repair`.",
		}})
	}
	aside, err := store.Aside(filepath.Join(d.dir, dirStore))
	for _, name := range aside {
		count(Finding{Part: "erasure", Kind: "aside", Place: filepath.Base(name), What: node.Text{
			VI: "Kho cũ này có thể còn giữ dữ liệu đã có lệnh xóa.", EN: "This store that was put aside may hold what was ordered to be erased.",
		}, Do: node.Text{
			VI: "Khi đã yên tâm về kho mới, hãy xóa thư mục này.", EN: "When you are content with the new store, delete this directory.",
		}})
	}
	return err
}

var storeWords = map[store.DamageKind]node.Text{
	store.DamagedFile:  {VI: "Một tệp của kho không còn như lúc ghi; phần hỏng không được dùng.", EN: "A file of the store isn't as it was written; what is wrong in it is not used."},
	store.DamagedRange: {VI: "Một vùng của kho không tin được; kho chỉ còn xem được.", EN: "A part of the store can't be believed; the store can only be read."},
	store.DamagedLog:   {VI: "Nhật ký thiếu mục.", EN: "Entries of a log are gone."},
	store.DamagedValue: {VI: "Một mẩu dữ liệu không còn như lúc ghi.", EN: "An item isn't as it was written."},
}

var repairDo = node.Text{VI: "Dừng nút rồi chạy `vungxa repair`.", EN: "Stop the node and run `vungxa repair`."}

// ofStore tells of damage that the store found.
func ofStore(x store.Damage) Finding {
	f := Finding{Part: "store", Kind: string(x.Kind), Place: x.Place, What: storeWords[x.Kind], Do: repairDo}
	if x.Kind == store.DamagedLog {
		f.Place = fmt.Sprintf("%v %d-%d", x.Log, x.From, x.To)
	}
	return f
}

var recordsWords = map[engine.FindingKind]node.Text{
	engine.EntryMissing:   {VI: "Nhật ký thiếu mục.", EN: "Entries of a log are gone."},
	engine.EntryWrong:     {VI: "Một mục nhật ký không phải là mục đã ghi.", EN: "An entry isn't the one that was written."},
	engine.EntryExtra:     {VI: "Có mục nhật ký thừa.", EN: "There is an entry too many."},
	engine.SealMissing:    {VI: "Nhật ký thiếu dấu niêm.", EN: "A seal of a log is gone."},
	engine.SealWrong:      {VI: "Dấu niêm của nhật ký không đúng.", EN: "A seal of a log is wrong."},
	engine.RecordMissing:  {VI: "Nhật ký có hồ sơ này mà kho không có.", EN: "The logs have this record and the store hasn't."},
	engine.RecordWrong:    {VI: "Hồ sơ khác với những gì nhật ký ghi.", EN: "The record isn't what the logs make of it."},
	engine.RecordExtra:    {VI: "Hồ sơ này không có trong nhật ký nào.", EN: "No log has this record."},
	engine.HistoryMissing: {VI: "Lịch sử của hồ sơ thiếu mục.", EN: "The record's history lacks an entry."},
	engine.HistoryExtra:   {VI: "Lịch sử của hồ sơ thừa mục.", EN: "The record's history has an entry too many."},
	engine.RowMissing:     {VI: "Hồ sơ thiếu trong mục lục, nên tìm không thấy.", EN: "The record isn't found where it should be."},
	engine.RowExtra:       {VI: "Mục lục có dòng thừa.", EN: "A record is found where it shouldn't be."},
	engine.CountWrong:     {VI: "Số đếm hồ sơ không đúng.", EN: "The count of records is wrong."},
	engine.LeftOver:       {VI: "Còn dữ liệu cũ không ai đọc nữa.", EN: "Old data are left that nobody reads."},
	engine.Unreadable:     {VI: "Không còn như lúc ghi.", EN: "It isn't as it was written."},
}

func ofRecords(f engine.Finding) Finding {
	return Finding{Part: "records", Kind: string(f.Kind), Place: f.Place, What: recordsWords[f.Kind], Do: f.Do}
}

// Unopened is the finding about a node that can't be opened; nil where err is no
// damage.
func Unopened(err error) *Finding {
	if bad := (badFile{}); errors.As(err, &bad) {
		finding := bad.finding()
		return &finding
	}
	if node.CodeOf(err) != node.Damaged {
		return nil
	}
	f := &Finding{Part: "store", Kind: "unopened", What: node.Reason(err)}
	if strings.Contains(f.What.EN, "vungxa re") {
		return f // it says itself what to do
	}
	f.Do = node.Text{
		VI: "Chạy `vungxa repair --from BẢN_SAO_LƯU`, hoặc khôi phục vào thư mục mới bằng `vungxa restore`.",
		EN: "Run `vungxa repair --from BACKUP`, or make the node anew in another directory with `vungxa restore`.",
	}
	return f
}

// VerifyBackups reads a set of backups, all of it.
func VerifyBackups(ctx context.Context, set *backup.Set, tell func(Finding) error) (v Verified, err error) {
	var wrong []brokenBackup
	v.Backups, err = set.CheckAll(ctx, func(p backup.Problem) {
		if n := len(wrong); n > 0 && wrong[n-1].first.Number == p.Number {
			wrong[n-1].count++
			return
		}
		wrong = append(wrong, brokenBackup{p, 1})
	})
	for _, b := range wrong {
		v.Findings++
		err = errors.Join(err, tell(b.finding()))
	}
	return v, err
}

// brokenBackup is a backup in which things are wrong: one is told, the others are
// most often of the same cause and are counted.
type brokenBackup struct {
	first backup.Problem
	count int
}

func (b brokenBackup) finding() Finding {
	f := Finding{Part: "backup", Kind: "damaged", Place: strings.TrimSpace(fmt.Sprintf("%06d %s", b.first.Number, b.first.Where)), What: b.first.What, Do: node.Text{
		VI: "Khi nút còn tốt, chạy lại `vungxa backup`: nó ghi lại phần hỏng mà bản mới còn cần.", EN: "While the node is in good order, run `vungxa backup` again: it writes anew what is damaged and still needed.",
	}}
	if more := b.count - 1; more > 0 {
		f.What.VI += fmt.Sprintf(" Bản này còn %d chỗ hỏng nữa.", more)
		f.What.EN += fmt.Sprintf(" %d more things are wrong with this backup.", more)
	}
	return f
}
