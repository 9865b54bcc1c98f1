package daemon

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// dirWaiting holds bundles that rest on one that hasn't come.
const dirWaiting = "waiting"

// openSticks prepares what is carried where there is no line.
func (d *Daemon) openSticks() (err error) {
	d.sticks, err = bundle.New(bundle.Config{
		Certificate: d.self.certificate, Key: d.self.keys.HPKE, Sign: d.sign, Directory: d.self.directory,
		Exchange: couriers{d.replica, d}, Waiting: filepath.Join(d.dir, dirWaiting),
	})
	return err
}

// couriers also tells the office what a stick has on the way.
type couriers struct {
	*replica.Replica
	d *Daemon
}

// Carry implements bundle.Exchange.
func (c couriers) Carry(to []crdt.Device, w *replica.Written) error {
	if err := c.Replica.Carry(to, w); err != nil {
		return err
	}
	var names []string
	for _, device := range to {
		names = append(names, c.d.DeviceName(device))
	}
	upTo := map[crdt.LogID]uint64{}
	for log, k := range w.Sent {
		upTo[log] = k.Seq
	}
	return c.d.engine.Carry("USB → "+strings.Join(names, ", "), upTo)
}

// OpenSticks opens a node that isn't running as far as carrying needs it: no line, no
// page.
func OpenSticks(dir string, opts Options) (*Daemon, error) {
	d := &Daemon{dir: dir, opts: opts, closing: make(chan struct{})}
	return d.open(d.lock, d.openKeys, d.readSelf, d.limitMemory, d.loadPack, d.openStore, d.openAttachments, d.openEngine, d.openHub, d.openReplica, d.openSticks)
}

// StickOrder is what the command line wants done with a stick.
type StickOrder struct {
	Path     string   `json:"path"`
	To       []string `json:"to"`       // names or devices; none: all peers of node.json
	After    bool     `json:"after"`    // only what had no room on the last stick
	Together bool     `json:"together"` // one bundle for all
	Part     int      `json:"part"`     // bytes of a file at most; 0: the most that it can be
	Answer   bool     `json:"answer"`   // of an import: receipts are written on the stick
}

// Sticks implements api.Sticks.
func (d *Daemon) Sticks() (p api.StickPlaces, err error) {
	p.Ready = d.self.keys.HPKE != nil
	p.Sticks = removable()
	connected := map[crdt.Device]bool{}
	for _, s := range d.replica.Peers() {
		connected[s.Device] = s.Connected
	}
	for _, c := range d.self.directory.All() {
		if c.Device == d.self.claims.Device || !d.shares(c) {
			continue
		}
		r := api.StickReader{Device: c.Device.String(), Name: c.Name, Role: roleNames[c.Role], Connected: connected[c.Device], Key: c.HPKEKey != nil}
		if r.Carried, err = d.replica.Carried(c.Device); err != nil {
			return p, err
		}
		p.Readers = append(p.Readers, r)
	}
	slices.SortStableFunc(p.Readers, func(a, b api.StickReader) int {
		return cmp.Or(-cmp.Compare(a.Role, b.Role), strings.Compare(a.Name, b.Name)) // the province first
	})
	return p, nil
}

func (d *Daemon) shares(c identity.Claims) bool {
	return slices.ContainsFunc(d.self.config.Scopes, c.Covers)
}

// InspectStick implements api.Sticks.
func (d *Daemon) InspectStick(_ context.Context, path string) (out api.StickContents, err error) {
	s, err := d.openStick(path)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	files, err := d.sticks.Inspect(s)
	if err != nil {
		return out, stickTrouble(err)
	}
	return api.StickContents{Path: path, Free: s.Free(), Files: d.stickFiles(files)}, nil
}

// SwapStick implements api.Sticks.
func (d *Daemon) SwapStick(ctx context.Context, o api.StickOrder) (out api.StickSwapped, err error) {
	to, err := d.stickReaders(o.To)
	if err != nil {
		return out, err
	}
	s, err := d.openStick(o.Path)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	both, err := d.sticks.Swap(ctx, s, to, o.GoOn)
	if err != nil {
		return out, stickTrouble(err)
	}
	out = api.StickSwapped{Path: o.Path, Entries: both.Entries, Receipts: both.Receipts, Files: d.stickFiles(both.Files)}
	for device, e := range both.Exported {
		out.Written = append(out.Written, d.written([]crdt.Device{device}, e, both.Failed[device]))
	}
	slices.SortFunc(out.Written, func(a, b api.StickWritten) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (d *Daemon) written(to []crdt.Device, e bundle.Exported, err error) api.StickWritten {
	w := api.StickWritten{Files: e.Files, Bytes: e.Bytes, Entries: e.Entries, Attachments: e.Whole, More: e.More}
	var devices, names []string
	for _, device := range to {
		devices, names = append(devices, device.String()), append(names, d.DeviceName(device))
	}
	w.Device, w.Name = strings.Join(devices, ","), strings.Join(names, ", ")
	if err != nil {
		w.Problem, w.ReadOnly = api.Trouble(stickTrouble(err)), errors.Is(err, bundle.ErrReadOnly)
	}
	return w
}

// ExportStick is the command's: it writes, and takes nothing in.
func (d *Daemon) ExportStick(ctx context.Context, o StickOrder) (out api.StickSwapped, err error) {
	to, err := d.stickReaders(o.To)
	if err != nil {
		return out, err
	}
	s, err := d.openStick(o.Path)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	sets := [][]crdt.Device{to}
	if !o.Together {
		sets = slices.Collect(slices.Chunk(to, 1))
	}
	out.Path = o.Path
	for _, set := range sets {
		e, err := d.sticks.Export(ctx, s, bundle.Order{To: set, After: o.After, Part: o.Part})
		if err != nil && ctx.Err() != nil {
			return out, err
		}
		out.Written = append(out.Written, d.written(set, e, err))
	}
	return out, nil
}

// ImportStick is the command's: it takes in, and writes answers where they are wanted.
func (d *Daemon) ImportStick(ctx context.Context, o StickOrder) (out api.StickSwapped, err error) {
	if d.hub != nil { // a hub that was just opened elects itself first
		if err := d.hub.Ready(ctx); err != nil {
			return out, err
		}
	}
	if o.Answer {
		return d.SwapStick(ctx, api.StickOrder{Path: o.Path, To: []string{}})
	}
	s, err := d.openStick(o.Path)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	in, err := d.sticks.Import(ctx, s)
	if err != nil {
		return out, stickTrouble(err)
	}
	return api.StickSwapped{Path: o.Path, Entries: in.Entries, Receipts: in.Receipts, Files: d.stickFiles(in.Files)}, nil
}

// stickReaders finds devices by their names in hexadecimal or in words; of an order
// that names none, the peers of node.json. An order of the page always has a list.
func (d *Daemon) stickReaders(names []string) (to []crdt.Device, err error) {
	if names == nil {
		for _, p := range d.self.config.Peers {
			names = append(names, p.Device)
		}
	}
	for _, name := range names {
		var found []crdt.Device
		for _, c := range d.self.directory.All() {
			if c.Device != d.self.claims.Device && (c.Device.String() == name || c.Name == name) {
				found = append(found, c.Device)
			}
		}
		if len(found) != 1 {
			return nil, node.Errorf(node.NotFound, "Không có đúng một máy tên %q ở đây. Hãy dùng mã máy.", "there isn't just one device named %q here; use its id", name)
		}
		to = append(to, found[0])
	}
	return to, nil
}

// openStick opens a directory that isn't the node's own.
func (d *Daemon) openStick(path string) (*bundle.Stick, error) {
	if volume := filepath.VolumeName(path); volume == path && volume != "" {
		path += string(filepath.Separator) // E: is the drive's root, not wherever a program last was on it
	}
	if !filepath.IsAbs(path) {
		return nil, node.Errorf(node.Invalid, "Hãy viết đường dẫn đầy đủ của USB, chẳng hạn /media/ten/USB hay E:\\.",
			"write the whole path of the stick, as /media/name/STICK or E:\\")
	}
	own, err := filepath.Abs(d.dir)
	if err != nil {
		return nil, err
	}
	if inside(own, path) {
		return nil, node.Errorf(node.Invalid, "Đó là thư mục của chính nút này, không phải USB.", "that is this node's own directory, not a stick")
	}
	s, err := bundle.OpenStick(path)
	if err != nil {
		return nil, stickTrouble(err)
	}
	return s, nil
}

// inside says whether a path lies in a directory, links followed.
func inside(dir, path string) bool {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	in, err := filepath.Rel(dir, path)
	return err == nil && in != ".." && !strings.HasPrefix(in, ".."+string(filepath.Separator))
}

// stickTrouble is what a person is told of an error, and can do. What the system said
// stays in the error, for the log.
func stickTrouble(err error) error {
	if node.CodeOf(err) != node.Internal {
		return err
	}
	for _, t := range stickTroubles {
		if t.is(err) {
			return &node.Error{Code: t.code, Message: t.text, Err: err}
		}
	}
	return err
}

type stickTroubled struct {
	is   func(error) bool
	code node.Code
	text node.Text
}

func isOf(errs ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(errs, func(one error) bool { return errors.Is(err, one) })
	}
}

var stickTroubles = []stickTroubled{
	{isOf(bundle.ErrFull), node.TooLarge, node.Text{
		VI: "USB hết chỗ, chưa ghi được gì. Hãy xóa bớt tệp khác trên đó, hoặc dùng USB lớn hơn.",
		EN: "The stick is full, and nothing was written. Remove other files from it, or take a larger one.",
	}},
	{isOf(bundle.ErrReadOnly), node.Forbidden, node.Text{
		VI: "Không ghi được lên USB: nó bị khóa ghi, hoặc thuộc người dùng khác. Hãy gạt chốt khóa ghi trên USB, hoặc dùng USB khác, rồi làm lại. Những gì USB mang tới thì vẫn nhận được.",
		EN: "The stick can't be written on: it is write-protected, or another user's. Move its switch or take another stick, and do it again. What it brings can be taken in all the same.",
	}},
	{isOf(bundle.ErrNoKey), node.Invalid, node.Text{
		VI: "Chứng thư của máy này hoặc máy kia được cấp trước khi có cách mang bằng USB. Hãy đề nghị tỉnh cấp lại chứng thư.",
		EN: "The certificate of this device or of the other was issued before bundles were known. Have it issued anew.",
	}},
	{func(err error) bool {
		var refusal *reconcile.Refusal
		return errors.Is(err, identity.ErrScope) || errors.As(err, &refusal) && refusal.Code == reconcile.Scope
	}, node.Forbidden, node.Text{
		VI: "Máy kia không được phép đọc phạm vi dữ liệu nào của máy này.", EN: "The other device may read no scope of this one.",
	}},
	{isOf(bundle.ErrNotDirectory), node.Invalid, node.Text{
		VI: "Đường dẫn đó là một tệp, không phải thư mục. Hãy viết đường dẫn tới thư mục gốc của USB, chẳng hạn /media/ten/USB hay E:\\.",
		EN: "That path is a file, not a directory. Write the path of the stick's root, as /media/name/STICK or E:\\.",
	}},
	{isOf(fs.ErrNotExist, syscall.ENOTDIR), node.NotFound, node.Text{
		VI: "Không thấy USB ở đường dẫn đó. Hãy cắm lại và chọn lại.", EN: "There is no stick at that path. Plug it in again and choose again.",
	}},
	{isOf(fs.ErrPermission), node.Forbidden, node.Text{
		VI: "Không đọc được USB: nó thuộc người dùng khác của máy tính này. Hãy rút ra và cắm lại với tài khoản đang dùng, hoặc dùng USB khác.",
		EN: "The stick can't be read: it is another user's of this computer. Pull it and plug it in again as the user who is signed in, or take another.",
	}},
	{isOf(syscall.EIO), node.Damaged, node.Text{
		VI: "USB báo lỗi khi đọc hoặc ghi; có lẽ đã bị rút ra hoặc hỏng. Hãy cắm lại hoặc dùng USB khác.",
		EN: "The stick gives errors; perhaps it was pulled, or is broken. Plug it in again or take another.",
	}},
}

// stickFiles is what people are told of the files on a stick.
func (d *Daemon) stickFiles(files []bundle.File) []api.StickFile {
	out := make([]api.StickFile, len(files))
	for i, f := range files {
		o := api.StickFile{
			Name: f.Name, Size: f.Size, ModifiedMS: f.Modified.UnixMilli(), State: string(f.State), Says: api.NewLabel(stateTexts[f.State]),
			Readers: f.Readers, Last: f.Last, Entries: f.Entries,
		}
		if f.By != (crdt.Device{}) {
			o.By, o.Part = cmp.Or(d.DeviceName(f.By), f.By.String()), f.Part+1
		}
		for _, device := range f.To {
			o.To = append(o.To, d.DeviceName(device))
		}
		if f.Refusal != nil {
			o.Refused = append(o.Refused, api.NewLabel(node.Text(f.Refusal.Reason)))
		}
		for _, r := range f.Took.Answer.Refused {
			if l := api.NewLabel(node.Text(r.Refusal.Reason)); !slices.Contains(o.Refused, l) {
				o.Refused = append(o.Refused, l)
			}
		}
		out[i] = o
	}
	return out
}

// stateTexts say what a file's state means and what to do.
var stateTexts = map[bundle.State]node.Text{
	bundle.Ready:     {VI: "Gửi cho máy này; bấm nút để nhận.", EN: "For this device; press the button to take it in."},
	bundle.Taken:     {VI: "Đã nhận.", EN: "Taken in."},
	bundle.Waiting:   {VI: "Thiếu phần trước nó; đã giữ lại ở máy này, chờ phần kia tới.", EN: "A part before it is missing; it is kept here until that comes."},
	bundle.NoRoom:    {VI: "Thiếu phần trước nó, và máy này đã giữ nhiều phần đang chờ; hãy mang lại tệp này sau.", EN: "A part before it is missing, and too much is kept waiting here; bring this file again later."},
	bundle.Refused:   {VI: "Không nhận được.", EN: "Not taken."},
	bundle.Ours:      {VI: "Máy này ghi; đang trên đường đi.", EN: "Written by this device; on its way."},
	bundle.Arrived:   {VI: "Máy này ghi; không còn cần mang đi, nên đã xóa khỏi USB.", EN: "Written by this device; it needs no carrying any more, so it was removed from the stick."},
	bundle.Foreign:   {VI: "Gửi cho máy khác, hoặc bị hỏng; máy này không đọc được và để nguyên.", EN: "For another device, or damaged; this one can't read it and leaves it as it is."},
	bundle.Partial:   {VI: "Ghi dở: USB bị rút khi đang ghi. Bỏ qua; nơi gửi sẽ ghi lại.", EN: "Half written: the stick was pulled. Passed over; its sender writes it again."},
	bundle.Short:     {VI: "Thiếu phần cuối của tệp. Bỏ qua; nơi gửi sẽ ghi lại.", EN: "The end of the file is missing. Passed over; its sender writes it again."},
	bundle.Altered:   {VI: "Bị hỏng hoặc bị sửa trên đường đi; không nhận gì từ tệp này. Nơi gửi sẽ ghi lại.", EN: "Damaged or altered on the way; nothing of it is taken. Its sender writes it again."},
	bundle.Unknown:   {VI: "Không phải tệp của chương trình này, hoặc của phiên bản mới hơn. Bỏ qua.", EN: "Not a file of this program, or of a newer version. Passed over."},
	bundle.Irregular: {VI: "Không phải tệp thường (liên kết hay thư mục). Bỏ qua.", EN: "Not a regular file (a link or a directory). Passed over."},
	bundle.Stranger:  {VI: "Máy ghi tệp này chưa có chứng thư được máy này tin cậy; không nhận.", EN: "This device trusts no certificate of the device that wrote it; not taken."},
	bundle.Unread:    {VI: "USB báo lỗi khi đọc tệp này.", EN: "The stick gives an error when this file is read."},
}

// stickPlace describes a mounted disk.
func stickPlace(path string) (api.StickPlace, bool) {
	s, err := bundle.OpenStick(path)
	if err != nil {
		return api.StickPlace{}, false // not for this user
	}
	p := api.StickPlace{Path: path, Label: filepath.Base(path), Free: s.Free()}
	return p, s.Close() == nil
}
