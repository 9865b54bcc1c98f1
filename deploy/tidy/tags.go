package tidy

import (
	"go/ast"
	"go/build/constraint"
	"path"
	"slices"
	"strings"
)

// DesktopTag finds files that import Wails and are built without the `desktop`
// tag: its window needs cgo and GTK, which neither the node nor the tests may need.
func DesktopTag(t *Tree) []Finding {
	var found []Finding
	for f := range t.Go {
		for spec, p := range f.imports {
			if strings.HasPrefix(p, "github.com/wailsapp/") && f.builds(func(tag string) bool { return tag != "desktop" }) {
				found = append(found, f.at(spec, "Wails without the desktop tag", "add `//go:build desktop` above the package clause"))
			}
		}
	}
	return found
}

// Windows finds packages that Windows loses without saying so: officers' PCs
// run it, so a package may be absent there only if each of its files says linux.
func Windows(t *Tree) []Finding {
	var found []Finding
	for _, files := range t.packages() {
		files = slices.DeleteFunc(slices.Clone(files), (*File).Test)
		onWindows := func(f *File) bool { return f.builds(windowsTags) }
		if len(files) == 0 || slices.ContainsFunc(files, onWindows) {
			continue
		}
		for _, f := range files {
			if !f.builds(onlyWith("linux")) || f.builds(onlyWithout("linux")) {
				found = append(found, f.at(f.Go.Name, "this package doesn't exist on Windows, and the file doesn't say that it needs Linux",
					"add a file for Windows, or `//go:build linux`"))
			}
		}
	}
	return found
}

// windowsTags answers as the go tool would for Windows with every own tag set,
// so that only the operating system can exclude a file.
func windowsTags(tag string) bool {
	return !slices.Contains(systems, tag) && tag != "unix" || tag == "windows"
}

func onlyWith(system string) func(string) bool {
	return func(tag string) bool { return !slices.Contains(systems, tag) || tag == system }
}

func onlyWithout(system string) func(string) bool {
	return func(tag string) bool { return tag != system }
}

// systems are the operating systems that a build constraint of ours may name.
var systems = []string{"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "android", "ios", "js", "wasip1", "plan9", "solaris", "aix", "illumos", "dragonfly"}

// machines are the processors that a file name of ours may end in.
var machines = []string{"386", "amd64", "arm", "arm64", "riscv64", "wasm"}

// builds tells whether a file's name and build line let it through, when a tag
// is true as the function says.
func (f *File) builds(tag func(string) bool) bool {
	if system := f.systemInName(); system != "" && !tag(system) {
		return false
	}
	line := f.buildLine()
	return line == nil || line.Eval(tag)
}

// systemInName is the operating system that the file's name asks for, as in
// disk_linux.go and disk_linux_arm64.go, "" if it asks for none.
func (f *File) systemInName() string {
	parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(path.Base(f.Path), ".go"), "_test"), "_")
	if slices.Contains(machines, parts[len(parts)-1]) {
		parts = parts[:len(parts)-1]
	}
	if len(parts) > 1 && slices.Contains(systems, parts[len(parts)-1]) {
		return parts[len(parts)-1]
	}
	return ""
}

// buildLine is the file's //go:build expression, nil if it has none.
func (f *File) buildLine() constraint.Expr {
	for _, group := range f.Go.Comments {
		if group.Pos() > f.Go.Package {
			break
		}
		if expr := parseConstraint(group.List); expr != nil {
			return expr
		}
	}
	return nil
}

func parseConstraint(lines []*ast.Comment) constraint.Expr {
	for _, c := range lines {
		if expr, err := constraint.Parse(c.Text); err == nil && constraint.IsGoBuild(c.Text) {
			return expr
		}
	}
	return nil
}
