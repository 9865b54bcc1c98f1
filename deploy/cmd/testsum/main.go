// Testsum reads what a test runner reports and says it for people: failures
// with their output, skips with their reasons, each package's share of the
// time. It keeps the counts for the sum that `make test` ends with.
//
//	go test -json ./... | testsum -from go -o DIR/unit
//	testsum -from vitest -o DIR/ui <report.json
//	node e2e/story.mjs | testsum -from tap -o DIR/e2e
//
// It writes DIR/unit.count ("passed failed skipped") and DIR/unit.skips (a line
// for each skip), and exits with 1 if anything failed or nothing ran at all.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// A Sum is what a runner reported.
type Sum struct {
	Passed, Failed int
	Skips          []string // one line each: which test, and why
}

// errNothing is a run without a single test, which proves nothing.
var errNothing = errors.New("no test was reported: the runner stopped before its first one")

// readers turn a report into a Sum, and print failures as they come.
var readers = map[string]func(io.Reader, io.Writer) (Sum, error){
	"go":     readGo,
	"vitest": readVitest,
	"tap":    readTAP,
}

func main() {
	from := flag.String("from", "go", "format of the report on standard input: go, vitest or tap")
	out := flag.String("o", "", "write counts and skips to `FILE`.count and FILE.skips")
	flag.Parse()
	if err := run(*from, *out, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
}

// run reads one report and writes the files even when tests failed.
func run(from, out string, in io.Reader, to io.Writer) error {
	read := readers[from]
	if read == nil {
		return fmt.Errorf("unknown format %q: use go, vitest or tap", from)
	}
	sum, err := read(in, to)
	if err != nil {
		return fmt.Errorf("read the %s report: %w", from, err)
	}
	fmt.Fprintf(to, "counted %d passed, %d failed, %d skipped\n", sum.Passed, sum.Failed, len(sum.Skips))
	if err := sum.save(out); err != nil {
		return err
	}
	switch {
	case sum.Failed > 0:
		return fmt.Errorf("%d tests failed", sum.Failed)
	case sum.Passed+len(sum.Skips) == 0:
		return errNothing
	}
	return nil
}

// save writes the two files that step.sh adds up.
func (s Sum) save(out string) error {
	if out == "" {
		return nil
	}
	counts := fmt.Sprintf("%d %d %d\n", s.Passed, s.Failed, len(s.Skips))
	skips := slices.Sorted(slices.Values(s.Skips))
	if err := os.WriteFile(out+".count", []byte(counts), 0o644); err != nil {
		return fmt.Errorf("keep the counts: %w", err)
	}
	if err := os.WriteFile(out+".skips", []byte(lines(skips)), 0o644); err != nil {
		return fmt.Errorf("keep the skips: %w", err)
	}
	return nil
}

func lines(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, "\n") + "\n"
}
