// Command mutate tells how much of a package's tests would notice: it plants one
// small fault at a time into its code, and runs its tests. Every fault is compiled
// in at once, each behind its number, so that the package is built once and a
// fault costs one run of its tests. The tree isn't touched.
//
//	mutate [-list] [-only n,n...] directory [test flags]
//
// It prints the faults that no test noticed ("survived") and the counts. A
// survivor is a missing test, or code that doesn't matter, or a change that means
// the same; which of them, a person says.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// seconds of processor time that the tests may take on one fault, before they count
// as having noticed: it runs for ever. A busy machine takes nothing of it, so that a
// fault isn't called noticed because something else ran.
const seconds = 120

func main() {
	list := flag.Bool("list", false, "list the faults and plant none")
	only := flag.String("only", "", "plant just these faults, by number: one,another")
	flag.Parse()
	if flag.NArg() < 1 {
		fmt.Fprintln(os.Stderr, "usage: mutate [-list] [-only n,n...] directory [test flags]")
		os.Exit(2)
	}
	numbers, err := parse(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Args()[1:], *list, numbers); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func parse(list string) (numbers []int, err error) {
	for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil, fmt.Errorf("-only: %w", err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func run(dir string, flags []string, list bool, only []int) error {
	work, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	faults, overlay, err := plant(dir, work)
	if err != nil || list {
		for _, f := range faults {
			fmt.Println(f)
		}
		return err
	}
	t := tests{dir: dir, binary: filepath.Join(work, "tests"), flags: flags}
	if err := t.build(work, overlay); err != nil {
		return err
	}
	if out, noticed := t.on(0); noticed {
		return fmt.Errorf("the tests fail without any fault:\n%s", out)
	}
	if len(only) > 0 {
		faults = slices.DeleteFunc(faults, func(f fault) bool { return !slices.Contains(only, f.number) })
	}
	report(faults, t)
	return nil
}

// plant writes the files of a package with every fault in them, and gives the
// overlay that puts them in the place of the real ones.
func plant(dir, work string) ([]fault, map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, nil, err
	}
	var faults []fault
	overlay := map[string]string{}
	name := ""
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		var planted []byte
		if planted, name, faults, err = instrument(file, text, faults); err != nil {
			return nil, nil, err
		}
		if err := replace(overlay, work, file, planted); err != nil {
			return nil, nil, err
		}
	}
	if name == "" {
		return nil, nil, fmt.Errorf("no Go files in %s", dir)
	}
	return faults, overlay, replace(overlay, work, filepath.Join(dir, "planted_faults.go"), []byte("package "+name+"\n"+helpers))
}

func replace(overlay map[string]string, work, file string, text []byte) error {
	abs, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	overlay[abs] = filepath.Join(work, filepath.Base(file))
	return os.WriteFile(overlay[abs], text, 0o600)
}

// tests are a package's, built with the faults in it.
type tests struct {
	dir, binary string
	flags       []string
}

func (t tests) build(work string, overlay map[string]string) error {
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return err
	}
	file := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return err
	}
	dir, err := filepath.Abs(t.dir)
	if err != nil {
		return err
	}
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", file, "-o", t.binary, dir)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build with the faults in it: %w\n%s", err, out)
	}
	return nil
}

// on runs the tests with one fault switched on, and says whether they noticed.
func (t tests) on(n int) (output string, noticed bool) {
	limited := fmt.Sprintf(`ulimit -t %d; exec "$0" "$@"`, seconds)
	c := exec.Command("sh", append([]string{"-c", limited, t.binary, "-test.short", "-test.failfast", "-test.timeout=0"}, t.flags...)...)
	c.Dir = t.dir
	c.Env = append(os.Environ(), "PLANTED_FAULT="+strconv.Itoa(n))
	out, err := c.CombinedOutput()
	return string(out), err != nil
}

// report tries every fault, as many at once as there are processors, and names each
// survivor when it is found, so that a run that is ended has told something.
func report(faults []fault, t tests) {
	next := make(chan fault)
	var survived atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for f := range next {
				if _, noticed := t.on(f.number); !noticed {
					survived.Add(1)
					fmt.Println("survived:", f)
				}
			}
		})
	}
	for _, f := range faults {
		next <- f
	}
	close(next)
	workers.Wait()
	n := int(survived.Load())
	fmt.Printf("%d faults planted, %d noticed, %d survived\n", len(faults), len(faults)-n, n)
}
