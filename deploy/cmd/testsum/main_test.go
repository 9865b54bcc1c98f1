package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// check reads a report and compares counts, skips and what was printed.
func check(t *testing.T, from, report string, want Sum, printed ...string) {
	t.Helper()
	var out strings.Builder
	got, err := readers[from](strings.NewReader(report), &out)
	if err != nil {
		t.Fatal(err)
	}
	if got.Passed != want.Passed || got.Failed != want.Failed || !slices.Equal(got.Skips, want.Skips) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	for _, s := range printed {
		if !strings.Contains(out.String(), s) {
			t.Errorf("output lacks %q:\n%s", s, out.String())
		}
	}
}

func TestGoCountsLeaves(t *testing.T) {
	check(t, "go", `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/one"}
{"Action":"output","Package":"p","Test":"TestA/one","Output":"    a_test.go:9: wrong sum\n"}
{"Action":"fail","Package":"p","Test":"TestA/one"}
{"Action":"run","Package":"p","Test":"TestA/two"}
{"Action":"pass","Package":"p","Test":"TestA/two"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"=== RUN   TestC\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:3: no postgres on the path\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p","Elapsed":1.5}
{"Action":"skip","Package":"empty","Elapsed":0}`,
		Sum{2, 1, []string{"p TestC: c_test.go:3: no postgres on the path"}},
		"FAIL p TestA/one\n    a_test.go:9: wrong sum\n", "FAIL    1.50 s 100 %     4 tests  p\n")
}

func TestGoCountsAHeadingThatFailsItself(t *testing.T) {
	check(t, "go", `{"Action":"pass","Package":"p","Test":"TestA/one"}
{"Action":"output","Package":"p","Test":"TestA","Output":"left behind\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`, Sum{1, 1, nil}, "FAIL p TestA\nleft behind\n")
}

func TestGoCountsWhatDied(t *testing.T) {
	check(t, "go", `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"exit status 2\n"}
{"Action":"fail","Package":"p","Elapsed":0.1}`, Sum{1, 1, nil}, "FAIL p\nexit status 2\n", "--- unfinished: TestA\npanic: boom\n")
}

func TestGoCountsABrokenBuild(t *testing.T) {
	check(t, "go", `{"ImportPath":"p [p.test]","Action":"build-output","Output":"a.go:1:2: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p [p.test]"}`, Sum{0, 1, nil}, "a.go:1:2: undefined: x\n")
}

func TestGoPassesPlainLinesOn(t *testing.T) {
	check(t, "go", "go: cannot find main module", Sum{}, "go: cannot find main module\n")
}

func TestVitest(t *testing.T) {
	check(t, "vitest", `{"testResults":[
{"name":"a.test.ts","status":"failed","assertionResults":[
 {"fullName":"adds","status":"passed"},
 {"fullName":"subtracts","status":"failed","failureMessages":["expected 1\n at x"]},
 {"fullName":"divides","status":"pending"}]},
{"name":"b.test.ts","status":"failed","message":"cannot import x","assertionResults":[]}]}`,
		Sum{1, 2, []string{"divides"}}, "FAIL a.test.ts: subtracts: expected 1\nFAIL b.test.ts: cannot import x\n")
}

func TestTAP(t *testing.T) {
	check(t, "tap", `TAP version 13
1..4
ok 1 - signs in
not ok 2 - saves offline
ok 3 - prints # SKIP no printer
ok 4
okay, this is only talk
Bail out!`, Sum{2, 1, []string{"prints: no printer"}}, "signs in\n", "Bail out!\n")
}

func TestRunKeepsCountsOfFailures(t *testing.T) {
	out := filepath.Join(t.TempDir(), "unit")
	var said strings.Builder
	err := run("tap", out, strings.NewReader("ok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP why\n"), &said)
	if err == nil || !strings.Contains(err.Error(), "1 tests failed") {
		t.Errorf("run said %v", err)
	}
	for suffix, want := range map[string]string{".count": "1 1 1\n", ".skips": "c: why\n"} {
		if got, err := os.ReadFile(out + suffix); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", suffix, got, err, want)
		}
	}
	if !strings.HasSuffix(said.String(), "counted 1 passed, 1 failed, 1 skipped\n") {
		t.Errorf("said %q", said.String())
	}
}

func TestRunRefusesSilence(t *testing.T) {
	for from, report := range map[string]string{"go": "", "tap": "hello\n", "vitest": `{"testResults":[]}`} {
		if err := run(from, "", strings.NewReader(report), &strings.Builder{}); !errors.Is(err, errNothing) {
			t.Errorf("%s: an empty run gave %v", from, err)
		}
	}
	if err := run("junit", "", strings.NewReader(""), &strings.Builder{}); err == nil {
		t.Error("an unknown format was accepted")
	}
	if err := run("tap", "", strings.NewReader("1..2\nok 1 - a\n"), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "2 steps were planned and 1 told of") {
		t.Errorf("a story cut short gave %v", err)
	}
	if err := run("vitest", "", strings.NewReader("{"), &strings.Builder{}); err == nil {
		t.Error("a cut report was accepted")
	}
}
