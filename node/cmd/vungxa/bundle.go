package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/sync/bundle"
)

type bundleCmd struct {
	Export  bundleExportCmd  `cmd:"" help:"Write what other devices lack onto a stick, encrypted to them." vi:"Ghi lên USB những gì máy khác còn thiếu, mã hóa cho riêng các máy đó."`
	Import  bundleImportCmd  `cmd:"" help:"Take in what a stick brings for this node, and leave the receipt on it." vi:"Nhận những gì USB mang tới cho nút này, và để biên nhận lại trên đó."`
	Inspect bundleInspectCmd `cmd:"" help:"Say what lies on a stick; nothing is changed." vi:"Cho biết USB đang mang gì; không thay đổi gì."`
}

// carrying are the flags that all of them have.
type carrying struct {
	Dir  string `required:"" type:"path" help:"The node's directory; the node may be running or not." vi:"Thư mục của nút; nút có thể đang chạy hoặc không."`
	JSON bool   `help:"Print one JSON object." vi:"In một đối tượng JSON."`
	unlock
}

type bundleExportCmd struct {
	To       string   `required:"" type:"existingdir" help:"The stick: a directory that is there." vi:"USB: một thư mục đã có."`
	For      []string `placeholder:"DEVICE" help:"Names or ids of the devices that read it; without it, all peers of the node." vi:"Tên hoặc mã các máy nhận; không có thì mọi máy mà nút này trao đổi."`
	Together bool     `help:"One bundle for all of them, of what they all may read." vi:"Một tệp chung cho tất cả, gồm những gì máy nào cũng được đọc."`
	GoOn     bool     `help:"Only what had no room on the last stick." vi:"Chỉ ghi phần mà USB trước không còn chỗ."`
	Part     int      `placeholder:"BYTES" help:"Bytes of a file at most." vi:"Mỗi tệp tối đa chừng này byte."`
	carrying
}

// Run writes onto a stick.
func (b bundleExportCmd) Run(ctx context.Context, c *console) error {
	o := daemon.StickOrder{Path: b.To, To: b.For, Together: b.Together, After: b.GoOn, Part: b.Part}
	return b.swapped(ctx, c, "bundle-export", o, func(ctx context.Context, d *daemon.Daemon) (api.StickSwapped, error) { return d.ExportStick(ctx, o) })
}

type bundleImportCmd struct {
	From     string `required:"" type:"existingdir" help:"The stick." vi:"USB."`
	NoAnswer bool   `help:"Leave nothing on the stick: it can't be written, or goes elsewhere." vi:"Không ghi gì lên USB: USB bị khóa ghi, hoặc còn đi nơi khác."`
	carrying
}

// Run takes a stick in.
func (b bundleImportCmd) Run(ctx context.Context, c *console) error {
	o := daemon.StickOrder{Path: b.From, Answer: !b.NoAnswer}
	return b.swapped(ctx, c, "bundle-import", o, func(ctx context.Context, d *daemon.Daemon) (api.StickSwapped, error) { return d.ImportStick(ctx, o) })
}

type bundleInspectCmd struct {
	From string `required:"" type:"existingdir" help:"The stick." vi:"USB."`
	carrying
}

// Run says what a stick holds.
func (b bundleInspectCmd) Run(ctx context.Context, c *console) error {
	at := atNode{ctx: ctx, console: c, dir: b.Dir, unlock: b.unlock, open: daemon.OpenSticks}
	found, err := ask(at, "bundle-inspect", daemon.StickOrder{Path: b.From}, func(d *daemon.Daemon) (api.StickContents, error) { return d.InspectStick(ctx, b.From) }, nil)
	if err != nil {
		return err
	}
	if b.JSON {
		return json.NewEncoder(c.out).Encode(found)
	}
	if len(found.Files) == 0 {
		c.say("USB không mang gì của chương trình này. Còn trống %s.", "The stick carries nothing of this program. %s are free.", c.bytes(uint64(found.Free)))
	}
	c.stickFiles(found.Files)
	return nil
}

// swapped has a stick worked on and says what came of it.
func (b carrying) swapped(ctx context.Context, c *console, job string, o daemon.StickOrder, rest func(context.Context, *daemon.Daemon) (api.StickSwapped, error)) error {
	at := atNode{ctx: ctx, console: c, dir: b.Dir, unlock: b.unlock, open: daemon.OpenSticks}
	done, err := ask(at, job, o, func(d *daemon.Daemon) (api.StickSwapped, error) { return rest(ctx, d) }, nil)
	if err != nil {
		return err
	}
	imported := job == "bundle-import"
	outcome := notWritten(done, imported)
	if imported {
		if taken := notTaken(done.Files); taken != nil {
			if outcome != nil {
				c.warn("%s", "%s", explain(c, outcome))
			}
			outcome = taken
		}
	}
	if b.JSON {
		return errors.Join(json.NewEncoder(c.out).Encode(done), outcome)
	}
	if imported {
		c.stickFiles(done.Files)
		c.say("Đã nhận %d lần lưu và %d biên nhận.", "Taken in: saves %d, receipts %d.", done.Entries, done.Receipts)
	}
	for _, w := range done.Written {
		c.stickWritten(w, imported)
	}
	return outcome
}

func (c *console) stickFiles(files []api.StickFile) {
	for _, f := range files {
		says := c.text(f.Says.Text())
		if f.State == string(bundle.Ready) { // there is no button here
			says = c.text(node.Text{VI: "Gửi cho máy này; nhận bằng lệnh vungxa bundle import.", EN: "For this device; vungxa bundle import takes it in."})
		}
		c.say("%s  %s  %s", "%s  %s  %s", f.Name, c.bytes(uint64(f.Size)), says)
		if f.By != "" {
			c.say("    từ %s, phần %d, %d lần lưu", "    from %s, part %d, saves: %d", f.By, f.Part, f.Entries)
		}
		for _, name := range f.To {
			c.say("    gửi %s", "    for %s", name)
		}
		for _, why := range f.Refused {
			c.say("    không nhận: %s", "    not taken: %s", c.text(why.Text()))
		}
	}
}

func (c *console) stickWritten(w api.StickWritten, imported bool) {
	_, bad := w.Problem.Get()
	switch {
	case bad && imported && w.ReadOnly:
		c.say("Gửi %s: chưa để lại được biên nhận vì USB bị khóa ghi; nó đi ở lần ghi USB sau, hoặc khi có đường truyền. Muốn ghi ngay thì gạt chốt khóa ghi rồi chạy lại lệnh này.",
			"For %s: no receipt could be left, as the stick can't be written on; it goes the next time a stick is written, or over a line. To leave it now, move the stick's switch and run this again.", w.Name)
	case len(w.Files) == 0 && (bad || w.More):
	case len(w.Files) == 0:
		c.say("Gửi %s: không có gì mới.", "For %s: nothing new.", w.Name)
	case w.Entries == 0 && w.Attachments == 0:
		c.say("Gửi %s: biên nhận, không có lần lưu nào mới.", "For %s: receipts, and no save that is new.", w.Name)
	default:
		c.say("Gửi %s: %d lần lưu trong %d tệp, %s. Chỉ tính là đang trên đường đi, cho tới khi biên nhận về.",
			"For %s: saves %d, files %d, %s. They count as on their way until the receipt is back.", w.Name, w.Entries, len(w.Files), c.bytes(uint64(w.Bytes)))
	}
	if w.Attachments > 0 {
		c.say("    cùng %d tệp đính kèm", "    with attachments: %d", w.Attachments)
	}
	if w.More && !bad {
		c.say("Chưa đủ chỗ cho tất cả. Cắm USB khác rồi chạy lại với --go-on.", "There was no room for all. Plug in another stick and run this again with --go-on.")
	}
}

// notWritten is why nothing was written for one of the readers. What is imported is taken
// in whether its receipt can be left on the stick or not.
func notWritten(done api.StickSwapped, imported bool) error {
	var vi, en []string
	for _, w := range done.Written {
		if why, bad := w.Problem.Get(); bad && !(imported && w.ReadOnly) {
			vi, en = append(vi, "Gửi "+w.Name+": "+why.VI), append(en, "for "+w.Name+": "+why.EN)
		}
	}
	if len(vi) == 0 {
		return nil
	}
	return &node.Error{Code: node.Unavailable, Message: node.Text{VI: strings.Join(vi, "\n"), EN: strings.Join(en, "\n")}}
}

// What an import ends with, by the states of the files: what is damaged, and what was
// left out though it is in order.
var (
	stickDamage = []bundle.State{bundle.Short, bundle.Altered, bundle.Partial, bundle.Unread}
	stickLeft   = []bundle.State{bundle.Refused, bundle.Stranger, bundle.NoRoom, bundle.Unknown, bundle.Irregular}
	stickTaken  = []bundle.State{bundle.Taken, bundle.Waiting, bundle.Arrived}
)

// notTaken is why an import isn't all that the stick was brought for.
func notTaken(files []api.StickFile) error {
	any := func(states []bundle.State) bool {
		return slices.ContainsFunc(files, func(f api.StickFile) bool { return slices.Contains(states, bundle.State(f.State)) })
	}
	refused := slices.ContainsFunc(files, func(f api.StickFile) bool { return len(f.Refused) > 0 })
	switch {
	case any(stickDamage):
		return errDamage
	case refused || any(stickLeft):
		return errRowsLeft
	case any(stickTaken):
		return nil
	}
	return node.Errorf(node.NotFound, "USB không mang gì cho máy này.", "the stick carries nothing for this device")
}
