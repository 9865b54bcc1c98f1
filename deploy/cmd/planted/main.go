// Command planted plants faults in the product, one at a time, and says who notices:
//
//	planted [-seeds 4] [-only WORD] [-quick] [-tests] LIST
//
// LIST has a fault on four lines, with an empty line between two:
//
//	what it is
//	file
//	the text in it, which stands there once
//	the text in its place
//
// The product's own files stay as they are: each fault is a copy of one file, laid over
// it (go test -overlay). First the histories of sync/simtest are played; what they miss,
// on engines; and with -tests what those miss is left to the tests of the file's package.
// Whoever is asked has to pass without a fault before, or his word would say nothing; and
// rapid's fail files are not written, since the next fault would be tried on them first.
// It fails if a fault can't be planted any more, or nobody notices one.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	seeds = flag.Int("seeds", 4, "how many histories are played for each fault")
	only  = flag.String("only", "", "plant only faults that have this in their name")
	quick = flag.Bool("quick", false, "play a fault's own histories only: on engines those of node, else on memlog")
	tests = flag.Bool("tests", false, "ask the package's tests about what the histories miss")
)

func main() {
	flag.Parse()
	if err := run(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "planted:", err)
		os.Exit(1)
	}
}

type fault struct{ name, file, right, wrong string }

// finder is somebody who may notice a fault.
type finder struct {
	name string
	dir  string
	args []string
}

// rapidTests is how a test file names the library that writes fail files.
const rapidTests = `"pgregory.net/rapid"`

// test runs the finder's tests over an overlay (empty: none). failed is the first test
// that did, and empty if it is no test's fault.
func (f finder) test(overlay string) (out []byte, failed string, err error) {
	args := []string{"test", "-vet=off", "-count=1", "-timeout", "10m"}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	args = append(append(args, "./"+f.dir), f.args...)
	files, err := filepath.Glob(filepath.Join(f.dir, "*_test.go"))
	if err != nil {
		return nil, "", err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, "", err
		}
		if bytes.Contains(b, []byte(rapidTests)) {
			args = append(args, "-rapid.nofailfile")
			break
		}
	}
	out, err = exec.Command("go", args...).CombinedOutput()
	if _, after, found := strings.Cut(string(out), "--- FAIL: "); found {
		failed, _, _ = strings.Cut(after, " ")
	}
	return out, failed, err
}

func run(list string) error {
	faults, err := read(list)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "vungxa-planted-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left there harms nobody
	count, sound := map[string]int{}, map[string]bool{}
	for _, f := range faults {
		if !strings.Contains(f.name, *only) {
			continue
		}
		overlay, err := f.plant(dir)
		if err != nil {
			return err
		}
		by, test, err := f.noticed(overlay, sound)
		if err != nil {
			return err
		}
		count[by]++
		fmt.Printf("%-10s %s (%s)\n", by, f.name, test)
	}
	fmt.Println(count)
	if count["nobody"] > 0 && *tests {
		return fmt.Errorf("%d faults that nobody notices", count["nobody"])
	}
	return nil
}

func read(list string) (faults []fault, err error) {
	b, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	for _, part := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		lines := strings.Split(part, "\n")
		if len(lines) != 4 {
			return nil, fmt.Errorf("%s: %q has %d lines; want 4", list, lines[0], len(lines))
		}
		faults = append(faults, fault{lines[0], lines[1], lines[2], lines[3]})
	}
	return faults, nil
}

// plant writes the file with the fault in it, and gives the overlay that names it.
func (f fault) plant(dir string) (overlay string, err error) {
	b, err := os.ReadFile(f.file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(b), f.right); n != 1 {
		return "", fmt.Errorf("%s: %s has %q %d times; want once: bring the list up to date", f.name, f.file, f.right, n)
	}
	file, err := filepath.Abs(f.file)
	if err != nil {
		return "", err
	}
	wrong := filepath.Join(dir, "wrong.go")
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(b), f.right, f.wrong, 1)), 0o600); err != nil {
		return "", err
	}
	if b, err = json.Marshal(map[string]map[string]string{"Replace": {file: wrong}}); err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

// noticed says who notices the fault first, and with which test. sound are those who are
// known to pass without one.
func (f fault) noticed(overlay string, sound map[string]bool) (by, test string, err error) {
	finders := []finder{
		{"histories", "sync/simtest", []string{"-run", "^TestHistories$", "-seeds", fmt.Sprint(*seeds)}},
		{"engines", "node/systemtest", []string{"-run", "^TestHistories$", "-sim", fmt.Sprint(*seeds)}},
	}
	switch {
	case strings.HasPrefix(f.file, "sync/replica/"): // it isn't in the histories
		finders = nil
	case strings.HasPrefix(f.file, "node/"):
		finders = finders[1:]
	case *quick:
		finders = finders[:1]
	}
	if *tests {
		finders = append(finders, finder{"tests", filepath.Dir(f.file), []string{"-failfast"}})
	}
	for _, who := range finders {
		if of := who.name + " " + who.dir; !sound[of] {
			if out, _, err := who.test(""); err != nil {
				return "", "", fmt.Errorf("%s fail without a fault:\n%s", of, out)
			}
			sound[of] = true
		}
		out, test, err := who.test(overlay)
		switch {
		case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
			return "unbuilt", "", nil
		case err != nil:
			return who.name, test, nil
		}
	}
	return "nobody", "", nil
}
