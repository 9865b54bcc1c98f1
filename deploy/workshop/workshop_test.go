// Package workshop_test tries the scripts behind make as make calls them, each
// in a tree of its own: a machine without tools, steps that pass, fail and
// are skipped. The folder holds no Go program, only these tests.
package workshop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shop is a root with copies of some of the scripts and what they read.
func shop(t *testing.T, scripts ...string) string {
	t.Helper()
	root := t.TempDir()
	place(t, root, "go.mod", "module x\n\ngo 1.26.0\n")
	place(t, root, "desktop/frontend/package.json", "{\n  \"engines\": {\n    \"node\": \">=20.19\"\n  }\n}\n")
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		place(t, root, "deploy/workshop/"+name, string(text))
	}
	return root
}

// place writes an executable file.
func place(t *testing.T, root, name, text string) {
	t.Helper()
	full := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// call runs a script of the shop and returns all that it said.
func call(t *testing.T, root string, env []string, script string, args ...string) (said string, ok bool) {
	t.Helper()
	cmd := exec.Command(filepath.Join(root, "deploy/workshop", script), args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// bare is a PATH with what every Debian has, and the given fakes.
func bare(t *testing.T, fakes map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"sh", "sed", "sort", "head", "dirname"} {
		full, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(full, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	for name, says := range fakes {
		place(t, dir, name, "#!/bin/sh\necho '"+says+"'\n")
	}
	return []string{"PATH=" + dir}
}

func TestToolsAreNamedInOneSentence(t *testing.T) {
	root := shop(t, "check-tools.sh")
	good := map[string]string{"git": "", "make": "", "gcc": "/", "npm": "10.8.2", "node": "v20.19.0", "go": "go1.26.0"}
	for name, c := range map[string]struct{ tool, says, want string }{
		"all there":  {"go", "go1.27.1", ""},
		"no git":     {"git", "-", "git (apt install git)"},
		"no gcc":     {"gcc", "-", "gcc (apt install gcc)"},
		"no headers": {"gcc", "crt1.o", "libc6-dev"},
		"no Go":      {"go", "-", "Go 1.26.0 or newer (unpack it"},
		"old Go":     {"go", "go1.19.8", "Go 1.26.0 or newer, where go is 1.19.8"},
		"no Node":    {"node", "-", "Node 20.19 or newer with npm"},
		"old Node":   {"node", "v18.20.4", "where node is 18.20.4"},
		"no npm":     {"npm", "-", "npm (apt install npm)"},
	} {
		t.Run(name, func(t *testing.T) {
			fakes := map[string]string{}
			for tool, says := range good {
				fakes[tool] = says
			}
			fakes[c.tool] = c.says
			if c.says == "-" {
				delete(fakes, c.tool)
			}
			said, ok := call(t, root, bare(t, fakes), "check-tools.sh")
			if ok != (c.want == "") || !strings.Contains(said, c.want) {
				t.Errorf("exit ok %v, said %q, want %q in it", ok, said, c.want)
			}
			if !ok && strings.Count(said, "\n") != 1 {
				t.Errorf("not one sentence: %q", said)
			}
		})
	}
}

func TestStepsAreSummedUp(t *testing.T) {
	root := shop(t, "step.sh")
	step := func(args ...string) (string, bool) { return call(t, root, []string{"WHOLE=1"}, "step.sh", args...) }
	if said, ok := step("first", "false"); ok || !strings.HasSuffix(said, "\n0 passed, 0 failed, 0 skipped\nFAILED: first\n") {
		t.Errorf("a failure before any test said %q", said)
	}
	if said, ok := step("unit", "bash", "-c", "echo 3 0 1 >bin/test/unit.count; echo 'p T: no disk' >bin/test/unit.skips"); !ok || !strings.Contains(said, "unit: ok") {
		t.Errorf("a good step said %q", said)
	}
	if said, ok := step("--skip", "story", "no Chromium"); !ok || !strings.Contains(said, "SKIPPED: story: no Chromium") {
		t.Errorf("a skip said %q", said)
	}
	said, ok := step("race", "bash", "-c", "echo boom; echo 4 2 0 >bin/test/race.count; exit 7")
	if ok || !strings.HasSuffix(said, "\n7 passed, 2 failed, 2 skipped\nFAILED: race\n") {
		t.Errorf("a failing step said %q", said)
	}
	if said, ok := call(t, root, []string{"WHOLE="}, "step.sh", "alone", "false"); ok || !strings.HasSuffix(said, "== alone\nFAILED: alone\n") {
		t.Errorf("a step that fails by itself said %q", said)
	}
	said, ok = step("--sum")
	for _, want := range []string{`unit +ok`, `race +FAILED`, `SKIPPED: p T: no disk`, `SKIPPED: story: no Chromium`, `(?m)^7 passed, 2 failed, 2 skipped\n\z`} {
		if !ok || !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("the sum lacks %q: %q", want, said)
		}
	}
}

// TestChromiumIsFoundOrAskedFor must not install anything: the PATH it runs
// with has no apt-get.
func TestChromiumIsFoundOrAskedFor(t *testing.T) {
	root := shop(t, "chromium.sh")
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	with := func(fakes map[string]string) []string {
		path := bare(t, fakes)
		if err := os.Symlink(bash, filepath.Join(strings.TrimPrefix(path[0], "PATH="), "bash")); err != nil {
			t.Fatal(err)
		}
		return append(path, "CHROMIUM=")
	}
	said, ok := call(t, root, with(map[string]string{"id": "0"}), "chromium.sh")
	if ok || !strings.Contains(said, "apt install chromium") {
		t.Errorf("without one: ok %v, said %q", ok, said)
	}
	said, ok = call(t, root, with(map[string]string{"id": "0", "chromium": ""}), "chromium.sh")
	if !ok || !strings.HasSuffix(said, "/chromium\n") {
		t.Errorf("with one: ok %v, said %q", ok, said)
	}
}
