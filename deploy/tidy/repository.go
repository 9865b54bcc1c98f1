package tidy

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// bytesMax is what one tracked file may weigh: history keeps it for ever.
const bytesMax = 1 << 20

// BuildOutput finds what a build made, or what is too heavy, among the tracked
// files. A folder's .gitkeep may stay, so that Go's embed finds the folder.
func BuildOutput(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Tracked {
			continue
		}
		if what := builtBy(f); what != "" {
			found = append(found, Finding{f.Path, 0, what + " in git", "git rm --cached it, and ignore it"})
		}
		if len(f.Data) > bytesMax {
			found = append(found, Finding{f.Path, 0, fmt.Sprintf("%d bytes in git, over %d", len(f.Data), bytesMax), "generate it, or keep a smaller sample"})
		}
	}
	return found
}

// builtBy says which build made a file, "" when it is none.
func builtBy(f *File) string {
	for part := range strings.SplitSeq(path.Dir(f.Path), "/") {
		if slices.Contains([]string{"dist", "bin", "node_modules", "var", "coverage"}, part) && path.Base(f.Path) != ".gitkeep" {
			return "output under " + part + "/"
		}
	}
	for _, m := range programs {
		if bytes.HasPrefix(f.Data, []byte(m.magic)) {
			return m.kind
		}
	}
	return ""
}

// programs are compiled files by their first bytes.
var programs = []struct{ magic, kind string }{
	{"\x7fELF", "an ELF program"},
	{"MZ\x90\x00", "a Windows program"},
	{"\xcf\xfa\xed\xfe", "a Mach-O program"},
	{"\x00asm", "a WebAssembly module"},
	{"!<arch>\n", "an object archive"},
}

// machinePaths are absolute folders of one machine: they are wrong on every
// other one. The first group keeps URLs and relative paths out.
var machinePaths = regexp.MustCompile(`(?:^|[^A-Za-z0-9_.~)}*/-])(/(?:work|root|tmp|Users)/)`)

// registries are hosts of package registries. Which one a build asks is the
// machine's setting; a lock file that names one fails where another is used.
var registries = regexp.MustCompile(`registry\.(?:npmjs|yarnpkg|npmmirror)\.|(?:proxy|sum)\.golang\.|pypi\.org|pythonhosted\.org|index\.crates\.io`)

// neighbour is a folder outside the repository that only tests may look for.
var neighbour = regexp.MustCompile(`\.\./shared\b`)

// Machine finds what is true on one machine only: its paths, its registries,
// and, in code that ships, files next to the checkout.
func Machine(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if bytes.IndexByte(f.Data[:min(len(f.Data), 8000)], 0) >= 0 {
			continue
		}
		for i, line := range bytes.Split(f.Data, []byte("\n")) {
			if m := machinePaths.FindSubmatch(line); m != nil {
				found = append(found, Finding{f.Path, i + 1, "a path of one machine: " + string(m[1]), "make it relative, an argument, or a temporary folder"})
			}
			if m := registries.Find(line); m != nil {
				found = append(found, Finding{f.Path, i + 1, "a registry's host: " + string(m), "leave it to the machine's settings (npm: omit-lockfile-registry-resolved)"})
			}
			if f.Go != nil && !f.Test() && neighbour.Match(line) {
				found = append(found, Finding{f.Path, i + 1, "code that ships looks beside the checkout", "take the file as an argument"})
			}
		}
	}
	return found
}

// onlyTest is how a JavaScript test runner is told to run one test and drop
// the rest; silentSkip, how it is told to drop one.
var (
	onlyTest   = regexp.MustCompile(`\b(?:it|test|describe)\.only\(`)
	silentSkip = regexp.MustCompile(`\b(?:it|test|describe)\.(?:skip|todo)\(|\bx(?:it|describe)\(`)
)

// Scripts finds tests of the web page that are switched off, or that switch
// the others off.
func Scripts(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !slices.Contains([]string{".ts", ".tsx", ".js", ".mjs"}, path.Ext(f.Path)) {
			continue
		}
		for i, line := range bytes.Split(f.Data, []byte("\n")) {
			if onlyTest.Match(line) {
				found = append(found, Finding{f.Path, i + 1, "the other tests of this file don't run", "remove .only"})
			}
			if silentSkip.Match(line) {
				found = append(found, Finding{f.Path, i + 1, "a test that doesn't run", "mend it or remove it; if a tool is missing, use skipIf with the reason in the title"})
			}
		}
	}
	return found
}
