// Command vungxa is a node of Vùng Xa: commune, province and centre are roles of
// this one program. README.md shows a session.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // mappings name time zones; a bare machine has no database of them

	"github.com/alecthomas/kong"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// version is set when a release is built.
var version = "dev"

// Every help text has its Vietnamese beside it, in the tag vi.
type cli struct {
	Run     runCmd     `cmd:"" help:"Run the node of a directory." vi:"Chạy nút của một thư mục."`
	Demo    demoCmd    `cmd:"" help:"Run a province and the box and laptop of one commune, with generated data." vi:"Chạy thử máy chủ tỉnh, hộp văn phòng và máy xách tay của một xã, với dữ liệu do máy sinh."`
	SignIn  signInCmd  `cmd:"" name:"signin" help:"Print a new one-time sign-in link of a node that runs." vi:"In một liên kết đăng nhập một lần mới của nút đang chạy."`
	Import  importCmd  `cmd:"" help:"Take a CSV file into a collection, by a mapping." vi:"Nhập một tệp CSV vào một loại hồ sơ, theo bảng ánh xạ."`
	Keys    keysCmd    `cmd:"" help:"What opens a node's store: passwords, key files, the environment." vi:"Các cách mở kho của nút: mật khẩu, tệp khóa, môi trường."`
	Backup  backupCmd  `cmd:"" help:"Copy a node to a directory of backups, encrypted; later backups write what has changed." vi:"Sao lưu nút vào một thư mục, có mã hóa; lần sau chỉ ghi phần thay đổi."`
	Restore restoreCmd `cmd:"" help:"Make a node anew from a backup, in an empty directory." vi:"Dựng lại nút từ bản sao lưu, trong một thư mục trống."`
	Bundle  bundleCmd  `cmd:"" help:"Carry data on a USB stick where there is no line." vi:"Mang dữ liệu bằng USB nơi không có đường truyền."`
	Verify  verifyCmd  `cmd:"" help:"Read everything that a node has stored, or a directory of backups, and say what is wrong." vi:"Đọc mọi thứ nút đã lưu, hoặc một thư mục sao lưu, và nói chỗ nào hỏng."`
	Repair  repairCmd  `cmd:"" help:"Make a damaged store anew from what can be read of it, a backup, or another node." vi:"Dựng lại kho hỏng từ phần còn đọc được, bản sao lưu, hoặc một nút khác."`
	Dump    dumpCmd    `cmd:"" help:"Write what a node has stored as lines of JSON. Not encrypted." vi:"Ghi những gì nút lưu ra các dòng JSON. Không mã hóa."`
	Openapi openapiCmd `cmd:"" help:"Print the OpenAPI description of a node's HTTP interface." vi:"In mô tả OpenAPI của giao diện HTTP."`
	Bench   benchCmd   `cmd:"" help:"Measure something on this machine." vi:"Đo máy này."`
	Version versionCmd `cmd:"" help:"Print the version." vi:"In số phiên bản."`

	Lang string `placeholder:"vi|en" help:"Language of messages; without it, English where LC_ALL, LC_MESSAGES or LANG begins with en, else Vietnamese." vi:"Ngôn ngữ; không có thì tiếng Anh nếu LC_ALL, LC_MESSAGES hoặc LANG bắt đầu bằng en, còn lại tiếng Việt."`
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(c *console) error {
	_, err := fmt.Fprintln(c.out, "vungxa", version)
	return err
}

// Exit codes besides 0 (done).
const (
	exitFailed   = 1
	exitUsage    = 2
	exitRowsLeft = 3 // an import whose report names rows that it left out
	exitDamage   = 4 // a verification that found damage, a repair that left some
)

func main() { os.Exit(run()) }

func run() int {
	if err := keepMemory(); err != nil {
		fmt.Fprintf(os.Stderr, "vungxa: %v\n", err)
		return exitFailed
	}
	if code, asked := store.Probe(); asked {
		return code
	}
	english, err := tongue(os.Args[1:], os.Getenv)
	c := &console{
		out: os.Stdout, english: english,
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	var parsed *kong.Context
	if err == nil {
		parsed, err = newParser(c).Parse(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vungxa:", misused(c, err))
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.stopped = ctx.Done()
	parsed.BindTo(ctx, (*context.Context)(nil))
	return c.end(ctx, parsed, parsed.Run(c))
}

// end tells how a command ended, and gives the exit code.
func (c *console) end(ctx context.Context, parsed *kong.Context, err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errRowsLeft):
		return exitRowsLeft
	case errors.Is(err, errDamage):
		return exitDamage
	}
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		fmt.Fprintln(os.Stderr, "vungxa:", explain(c, err))
	}
	if s, says := parsed.Selected().Target.Addr().Interface().(stoppable); says && errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "vungxa:", c.text(s.stopped()))
	}
	return exitFailed
}

// stoppable is a command that says what stands when someone has stopped it.
type stoppable interface{ stopped() node.Text }
