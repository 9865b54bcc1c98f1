package main

import (
	"context"
	"errors"
	"os"
	"os/user"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/imports"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
)

type importCmd struct {
	Dir        string   `default:"./var/box" type:"path" help:"The node's directory; the node may be running or not." vi:"Thư mục của nút; nút có thể đang chạy hoặc không."`
	Collection string   `required:"" help:"The collection that takes the rows, as petitions." vi:"Loại hồ sơ nhận các dòng, ví dụ petitions."`
	Map        string   `required:"" type:"path" help:"The mapping, a YAML file." vi:"Bảng ánh xạ, một tệp YAML (xem node/imports/MAPPING.md)."`
	DryRun     bool     `help:"Say what would happen, and change nothing." vi:"Chỉ nói sẽ làm gì, không ghi gì."`
	Packs      []string `type:"existingdir" help:"Directories of further collections (YAML), beside the program's own." vi:"Các thư mục loại hồ sơ thêm (YAML)."`
	unlock
	File string `arg:"" type:"path" help:"The CSV file." vi:"Tệp CSV."`
}

// Run takes a file in and prints what became of its rows.
func (r importCmd) Run(ctx context.Context, c *console) (err error) {
	mapping, err := r.mapping()
	if err != nil {
		return err
	}
	sink, collection, done, err := r.sink(ctx, c)
	if err != nil {
		return err
	}
	defer func() {
		closing := done()
		if closing != nil && errors.Is(err, errRowsLeft) {
			err = nil // the worse of the two is told
		}
		err = errors.Join(err, closing)
	}()
	report, err := imports.Run(ctx, imports.File(r.File), mapping, collection, sink)
	if report != nil {
		if r.DryRun {
			c.say("Thử thôi, chưa ghi gì:", "A trial; nothing was written:")
		}
		err = errors.Join(err, report.Print(c.out, c.english))
	}
	if err == nil && report.Rejected > 0 {
		err = errRowsLeft
	}
	return err
}

func (r importCmd) stopped() node.Text {
	return node.Text{
		VI: "Đã dừng giữa chừng: các dòng đã báo là ghi thì vẫn còn. Hãy chạy lại cùng lệnh này: dòng đã vào rồi không ghi thêm lần nữa.",
		EN: "stopped: rows that had gone in stay. Run the same command again: a row that is there already changes nothing.",
	}
}

// errRowsLeft is an import that did what it could: the report has said which rows
// were left out, and a script learns it from the exit code.
var errRowsLeft = errors.New("some rows were left out")

func (r importCmd) mapping() (*imports.Mapping, error) {
	b, err := os.ReadFile(r.Map)
	if err != nil {
		return nil, node.Errorf(node.NotFound, "Không đọc được bảng ánh xạ (--map) %w. Trong deploy/examples có bảng mẫu; cách viết ở node/imports/MAPPING.md.",
			"the mapping (--map) can't be read: %w; there are some in deploy/examples, and node/imports/MAPPING.md tells how to write one", err)
	}
	m, err := imports.ReadMapping(r.Map, b)
	if err == nil && m.Collection != r.Collection {
		err = node.Errorf(node.Invalid, "Bảng ánh xạ dành cho %q, còn --collection là %q.",
			"the mapping is for %q and --collection says %q", m.Collection, r.Collection)
	}
	return m, err
}

// sink is the node that runs on the directory, or else the directory itself.
func (r importCmd) sink(ctx context.Context, c *console) (imports.Sink, *schema.Collection, func() error, error) {
	opts, err := r.options(c, r.Dir, r.Packs)
	if err != nil {
		return nil, nil, nil, err
	}
	office, err := daemon.OpenOffice(r.Dir, opts)
	if err == nil {
		collection, err := find(office.Pack(), r.Collection)
		if err != nil {
			return nil, nil, nil, errors.Join(err, office.Close())
		}
		return rest{office.Engine(), importer(), r.Collection, r.DryRun}, collection, office.Close, nil
	}
	control, cerr := daemon.ReadControl(r.Dir)
	if node.CodeOf(err) != node.Unavailable || cerr != nil || control == nil {
		return nil, nil, nil, errors.Join(err, cerr)
	}
	pack, err := packs.Commune(options(c, r.Packs).Packs...)
	if err != nil {
		return nil, nil, nil, err
	}
	collection, err := find(pack, r.Collection)
	if err != nil {
		return nil, nil, nil, err
	}
	running, err := client.New(client.Config{
		Page: control.URL, Secret: control.Secret, Collection: collection, Dry: r.DryRun, English: c.english,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	return running, collection, func() error { running.Close(); return nil }, nil
}

func find(pack *schema.Pack, id string) (*schema.Collection, error) {
	c, ok := pack.Collection(id)
	if !ok {
		return nil, node.Errorf(node.NotFound, "Không có loại hồ sơ %q.", "there is no collection %q", id)
	}
	return c, nil
}

// importer names who imports, as entries will.
func importer() string {
	u, err := user.Current()
	if err != nil {
		return "import"
	}
	return "import:" + u.Username
}

// rest is a sink on a directory at rest.
type rest struct {
	engine     *engine.Engine
	officer    string
	collection string
	dry        bool
}

// Upsert stores a batch as one bulk save.
func (r rest) Upsert(ctx context.Context, rows []imports.Row) ([]imports.Outcome, error) {
	in := make([]engine.Row, len(rows))
	for i, row := range rows {
		in[i] = engine.Row{Key: row.Key, Values: row.Values}
	}
	outcomes, err := r.engine.Upsert(ctx, r.officer, r.collection, in, r.dry)
	if err != nil {
		return nil, err
	}
	out := make([]imports.Outcome, len(rows))
	for i, o := range outcomes {
		out[i] = imports.Outcome{State: stateOf(o), Flags: o.Flags}
		if o.Err != nil {
			out[i].Reason = node.Reason(o.Err)
		}
	}
	return out, nil
}

func stateOf(o engine.Outcome) imports.State {
	switch {
	case o.Err != nil:
		return imports.Refused
	case o.Created:
		return imports.Created
	case o.Changed:
		return imports.Changed
	}
	return imports.Unchanged
}
