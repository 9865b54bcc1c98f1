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
// It fails if a fault can't be planted any more, or nobody notices one.
package main

import (
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
	args []string
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
	count := map[string]int{}
	for _, f := range faults {
		if !strings.Contains(f.name, *only) {
			continue
		}
		overlay, err := f.plant(dir)
		if err != nil {
			return err
		}
		by := f.noticed(overlay)
		count[by]++
		fmt.Printf("%-10s %s\n", by, f.name)
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

// noticed says who notices the fault first.
func (f fault) noticed(overlay string) string {
	finders := []finder{
		{"histories", []string{"-run", "^TestHistories$", "./sync/simtest", "-seeds", fmt.Sprint(*seeds)}},
		{"engines", []string{"-run", "^TestHistories$", "./node/systemtest", "-sim", fmt.Sprint(*seeds)}},
	}
	switch {
	case strings.HasPrefix(f.file, "node/"):
		finders = finders[1:]
	case *quick:
		finders = finders[:1]
	}
	if *tests {
		finders = append(finders, finder{"tests", []string{"-failfast", "./" + filepath.Dir(f.file)}})
	}
	for _, who := range finders {
		out, err := exec.Command("go", append([]string{"test", "-overlay", overlay, "-vet=off", "-count=1", "-timeout", "5m"}, who.args...)...).CombinedOutput()
		switch {
		case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
			return "unbuilt"
		case err != nil:
			return who.name
		}
	}
	return "nobody"
}
