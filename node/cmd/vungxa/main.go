// Command vungxa is a node of Vùng Xa: commune, province and centre are roles of
// this one program. README.md shows a session.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // mappings name time zones; a bare machine has no database of them

	"github.com/alecthomas/kong"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
)

// version is set when a release is built.
var version = "dev"

type cli struct {
	Run     runCmd     `cmd:"" help:"Run the node of a directory."`
	Demo    demoCmd    `cmd:"" help:"Run a province and the box and laptop of one commune, with generated data."`
	Import  importCmd  `cmd:"" help:"Take a CSV file into a collection, by a mapping."`
	Keys    keysCmd    `cmd:"" help:"What opens a node's store: passwords, key files, the environment."`
	Backup  backupCmd  `cmd:"" help:"Copy a node to a directory of backups, encrypted; later backups write what has changed."`
	Restore restoreCmd `cmd:"" help:"Make a node anew from a backup, in an empty directory."`
	Verify  verifyCmd  `cmd:"" help:"Read everything that a node has stored, or a directory of backups, and say what is wrong."`
	Repair  repairCmd  `cmd:"" help:"Make a damaged store anew from what can be read of it, a backup, or another node."`
	Dump    dumpCmd    `cmd:"" help:"Write what a node has stored as lines of JSON. Not encrypted."`
	Openapi openapiCmd `cmd:"" help:"Print the OpenAPI description of a node's HTTP interface."`
	Bench   benchCmd   `cmd:"" help:"Measure something on this machine."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Lang string `enum:"vi,en," default:"" placeholder:"vi|en" help:"Language of messages; without it, English where LANG begins with en, else Vietnamese."`
}

// console is where a command speaks to people.
type console struct {
	out     io.Writer
	log     *slog.Logger
	english bool
}

// say prints a line in the console's language.
func (c *console) say(vi, en string, args ...any) {
	if c.english {
		vi = en
	}
	fmt.Fprintf(c.out, vi+"\n", args...)
}

func (c *console) text(t node.Text) string {
	if c.english {
		return t.EN
	}
	return t.VI
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
	var args cli
	parser := kong.Must(&args, kong.Name("vungxa"), kong.Description("Vùng Xa: an offline-first node for the commune office."), kong.UsageOnError())
	parsed, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "vungxa: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &console{
		out: os.Stdout, english: english(args.Lang, os.Getenv("LANG")),
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	switch err := parsed.Run(c); {
	case errors.Is(err, errRowsLeft):
		return exitRowsLeft
	case errors.Is(err, errDamage):
		return exitDamage
	case err != nil:
		fmt.Fprintln(os.Stderr, "vungxa:", explain(c, err))
		return exitFailed
	}
	return 0
}

func english(flag, env string) bool {
	return flag == "en" || flag == "" && strings.HasPrefix(env, "en")
}

// explain is an error in the console's language, as far as it has words for it.
func explain(c *console, err error) string {
	var e *node.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	s := c.text(e.Message)
	for _, f := range e.Fields {
		s += fmt.Sprintf("\n  %s: %s", f.Field, c.text(f.Message))
	}
	return s
}
