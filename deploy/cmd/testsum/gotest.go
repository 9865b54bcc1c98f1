package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is a line of `go test -json` (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build output
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

// A pkg is what one package has reported so far.
type pkg struct {
	output  strings.Builder // of the package itself: panics, build failures
	tests   map[string]*test
	sum     Sum
	seconds float64
	failed  bool
}

// A test that has children is a heading: it counts only if it fails itself.
type test struct {
	output   strings.Builder
	result   string // "", pass, fail or skip
	children bool
	blamed   bool // a child has failed, and was counted
}

// goReport gathers a whole run.
type goReport struct {
	packages map[string]*pkg
	build    strings.Builder
	to       io.Writer
}

// readGo counts the leaves of the tree of tests, and anything above them that
// failed by itself.
func readGo(in io.Reader, to io.Writer) (Sum, error) {
	r := &goReport{packages: map[string]*pkg{}, to: to}
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 1<<16), 1<<24)
	for scan.Scan() {
		var e event
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			fmt.Fprintln(to, scan.Text()) // the go command itself speaks plainly
			continue
		}
		r.take(e)
	}
	if err := scan.Err(); err != nil {
		return Sum{}, fmt.Errorf("a line over 16 MiB, or a cut pipe: %w", err)
	}
	return r.finish(), nil
}

func (r *goReport) take(e event) {
	if e.ImportPath != "" {
		r.build.WriteString(e.Output)
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*test{}}
		r.packages[e.Package] = p
	}
	if e.Test == "" {
		r.takePackage(p, e)
		return
	}
	p.takeTest(e, r.to)
}

// takeTest follows one test; its output is shown once it has failed.
func (p *pkg) takeTest(e event, to io.Writer) {
	t := p.test(e.Test)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass":
		t.result = e.Action
		if !t.children {
			p.sum.Passed++
		}
	case "skip":
		t.result = e.Action
		p.sum.Skips = append(p.sum.Skips, e.Package+" "+e.Test+": "+reason(t.output.String()))
	case "fail":
		t.result = e.Action
		if !t.blamed {
			p.sum.Failed++
			fmt.Fprintf(to, "\nFAIL %s %s\n%s", e.Package, e.Test, t.output.String())
		}
		p.blameParent(e.Test)
	}
}

// test finds or adds a test, and marks its parent as a heading.
func (p *pkg) test(name string) *test {
	if p.tests[name] == nil {
		p.tests[name] = &test{}
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			p.test(name[:i]).children = true
		}
	}
	return p.tests[name]
}

// blameParent lets a failure count once: at the leaf.
func (p *pkg) blameParent(name string) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		p.test(name[:i]).blamed = true
	}
}

// takePackage closes a package: what had no result by then was running when
// the process died.
func (r *goReport) takePackage(p *pkg, e event) {
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
	case "pass", "skip":
		p.seconds = e.Elapsed
	case "fail":
		p.seconds, p.failed = e.Elapsed, true
		r.autopsy(p, e)
	}
}

// autopsy shows why a package failed when none of its tests says so.
func (r *goReport) autopsy(p *pkg, e event) {
	var dead []string
	for name, t := range p.tests {
		if t.result == "" && !t.children {
			dead = append(dead, name)
		}
	}
	if p.sum.Failed > 0 && len(dead) == 0 {
		return
	}
	fmt.Fprintf(r.to, "\nFAIL %s\n%s%s", e.Package, r.build.String(), p.output.String())
	r.build.Reset()
	slices.Sort(dead)
	for _, name := range dead {
		fmt.Fprintf(r.to, "--- unfinished: %s\n%s", name, p.tests[name].output.String())
	}
	p.sum.Failed += max(1, len(dead))
}

// finish prints every package's share and adds them up.
func (r *goReport) finish() Sum {
	var sum Sum
	var all float64
	names := make([]string, 0, len(r.packages))
	for name, p := range r.packages {
		names = append(names, name)
		all += p.seconds
		sum.Passed += p.sum.Passed
		sum.Failed += p.sum.Failed
		sum.Skips = append(sum.Skips, p.sum.Skips...)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.packages[b].seconds, r.packages[a].seconds), cmp.Compare(a, b))
	})
	fmt.Fprint(r.to, r.build.String())
	for _, name := range names {
		r.packages[name].print(r.to, name, all)
	}
	return sum
}

// print is one package's line; packages without tests get none.
func (p *pkg) print(to io.Writer, name string, all float64) {
	if len(p.tests) == 0 && !p.failed {
		return
	}
	verdict := "ok  "
	if p.failed {
		verdict = "FAIL"
	}
	fmt.Fprintf(to, "%s %7.2f s %3.0f %% %5d tests  %s\n", verdict, p.seconds, 100*p.seconds/max(all, 0.001),
		p.sum.Passed+p.sum.Failed+len(p.sum.Skips), name)
}

// reason is what a skipped test said, without the frame that the runner puts
// around it.
func reason(output string) string {
	var said []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return said[len(said)-1]
}
