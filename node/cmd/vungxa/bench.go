package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/vungxa/vungxa/node/bench"
)

type benchCmd struct {
	Save  benchSave  `cmd:"" help:"A durable save, beside the disk's own fsync." vi:"Một lần lưu bền, bên cạnh fsync của đĩa."`
	KPI   benchKPI   `cmd:"" name:"kpi" help:"One change of one record at 10^3 and 10^5 records." vi:"Một thay đổi của một hồ sơ, khi có 10^3 và 10^5 hồ sơ."`
	Start benchStart `cmd:"" help:"From the start of the program to the first page of a list." vi:"Từ lúc khởi động đến trang đầu của danh sách."`
	Store benchStore `cmd:"" help:"A whole node with a million records: memory, disk, rates." vi:"Cả một nút với một triệu hồ sơ: bộ nhớ, đĩa, tốc độ."`
	Sync  benchSync  `cmd:"" help:"What meeting costs over lines of several kinds: bytes, round trips, time. Needs root." vi:"Chi phí đồng bộ qua các loại đường truyền: byte, số lượt, thời gian. Cần quyền root."`
}

// benchOutput is how every benchmark tells its figures.
type benchOutput struct {
	JSON bool `help:"One JSON object a line." vi:"Mỗi dòng một đối tượng JSON."`
}

func (o benchOutput) report(c *console) bench.Report {
	if o.JSON {
		return bench.JSON(c.out)
	}
	return bench.Text(c.out)
}

type benchSave struct {
	benchOutput
	Dir string `default:"." type:"existingdir" help:"On the disk to measure; a temporary directory is made in it." vi:"Trên đĩa cần đo; một thư mục tạm được tạo trong đó."`
	N   int    `default:"2000" help:"Saves." vi:"Số lần lưu."`
}

// Run measures saves.
func (b benchSave) Run(ctx context.Context, c *console) error {
	return bench.Save(ctx, b.Dir, b.N, time.Now, b.report(c))
}

type benchKPI struct{ benchOutput }

// Run measures changes of the KPIs.
func (b benchKPI) Run(c *console) error {
	bench.KPI(time.Now, b.report(c))
	return nil
}

type benchStart struct {
	benchOutput
	Dir     string `default:"." type:"existingdir" help:"A temporary directory is made in it." vi:"Một thư mục tạm được tạo trong đó."`
	Records int    `default:"100000" help:"Dossiers in the store." vi:"Số hồ sơ trong kho."`
}

// Run measures the start.
func (b benchStart) Run(ctx context.Context, c *console) error {
	return bench.Start(ctx, b.Dir, b.Records, time.Now, b.report(c))
}

type benchStore struct {
	benchOutput
	Dir     string `default:"." type:"existingdir" help:"A temporary directory is made in it." vi:"Một thư mục tạm được tạo trong đó."`
	Records int    `default:"1000000" help:"Dossiers of some 500 bytes." vi:"Số hồ sơ, mỗi hồ sơ khoảng 500 byte."`
}

// Run measures a whole node.
func (b benchStore) Run(ctx context.Context, c *console) error {
	return bench.Store(ctx, b.Dir, b.Records, time.Now, b.report(c))
}

type benchSync struct {
	benchOutput
	Dir     string   `default:"." type:"existingdir" help:"A temporary directory is made in it." vi:"Một thư mục tạm được tạo trong đó."`
	Records int      `default:"10000" help:"Records of the first exchange." vi:"Số hồ sơ của lần đồng bộ đầu."`
	Over    []string `placeholder:"NAME,..." help:"Only these carriers: bundle, libp2p, thin." vi:"Chỉ các cách truyền này: bundle, libp2p, thin."`
	Lines   []string `placeholder:"NAME,..." help:"Only these lines: ruler, lan, 64kbit_300ms_5pct, 64kbit_1500ms_10pct, umts_drive." vi:"Chỉ các đường truyền này: ruler, lan, 64kbit_300ms_5pct, 64kbit_1500ms_10pct, umts_drive."`
	Up      string   `type:"existingfile" help:"Trace of the drive's line up: milliseconds (mahimahi), or seconds and Mbit/s." vi:"Vết đo đường lên của chuyến xe: mili giây (mahimahi), hoặc giây và Mbit/s."`
	Down    string   `type:"existingfile" help:"The same, down." vi:"Như vậy, đường xuống."`
	Seed    uint64   `default:"1" help:"Of losses and records." vi:"Mầm ngẫu nhiên của mất gói và hồ sơ."`
}

// Run measures syncing.
func (b benchSync) Run(ctx context.Context, c *console) error {
	return bench.Sync(ctx, bench.SyncOptions{
		Dir: b.Dir, Records: b.Records, Carriers: b.Over, Lines: b.Lines, Up: b.Up, Down: b.Down, Seed: b.Seed, Now: time.Now,
		Skipped: func(what, why string) { fmt.Fprintf(os.Stderr, "SKIPPED %s: %s\n", what, why) },
	}, b.report(c))
}
