package tidy

import (
	"fmt"
	"strings"
	"testing"
)

func TestLayers(t *testing.T) {
	planted(t, Layers, map[string]string{
		"crdt/a.go":               "package crdt\nimport _ \"github.com/vungxa/vungxa/crdt/wire\"\nimport _ \"github.com/vungxa/vungxa/kpi\"",
		"kpi/a.go":                "package kpi\nimport \"fmt\"",
		"sync/link/a.go":          "package link\nimport (\n_ \"github.com/vungxa/vungxa/crdt\"\n_ \"github.com/vungxa/vungxa/node/store\"\n)",
		"sync/link/a_test.go":     "package link\nimport _ \"github.com/vungxa/vungxa/node\"",
		"sync/a.go":               "package sync",
		"firmware/sign/a.go":      "package sign\nimport _ \"github.com/vungxa/vungxa/sync/identity\"",
		"node/store/a.go":         "package store\nimport _ \"github.com/vungxa/vungxa/crdt\"\nimport _ \"github.com/vungxa/vungxa/desktop/frontend\"",
		"node/cmd/vungxa/main.go": "package main\nimport _ \"github.com/vungxa/vungxa/desktop/frontend\"",
		"node/store/tool/main.go": "package main",
		"deploy/tidy/a.go":        "package tidy\nimport _ \"github.com/vungxa/vungxa/crdt\"",
		"pkg/a.go":                "package pkg",
		"main.go":                 "package main",
	}, "crdt/a.go:3", "sync/link/a.go:4", "sync/link/a_test.go:2", "sync/a.go:1", "firmware/sign/a.go:2", "node/store/a.go:3",
		"node/store/tool/main.go:1", "deploy/tidy/a.go:2", "pkg/a.go:1", "main.go:1")
}

func TestPurity(t *testing.T) {
	planted(t, Purity, map[string]string{
		"crdt/a.go": `package crdt
import (
	"os"
	clock "time"
	"fmt"
	"math/rand/v2"
	"io"
)
var now = clock.Now
var day = 24 * clock.Hour
func f(r io.Reader) { go f(nil); fmt.Println(fmt.Sprint(clock.Unix(0, 0))); clock.Sleep(1) }`,
		"crdt/a_test.go":           "package crdt\nimport \"os\"\nfunc g() { go g() }",
		"kpi/a.go":                 "package kpi\nimport \"sync/atomic\"",
		"sync/reconcile/a.go":      "package reconcile\nimport _ \"github.com/vungxa/vungxa/crdt/wire\"\nimport _ \"github.com/vungxa/vungxa/sync/identity\"\nimport \"net/netip\"",
		"sync/identity/a.go":       "package identity\nimport \"sync\"\nimport \"crypto/rand\"\nimport _ \"github.com/vungxa/vungxa/sync/deep\"\nimport _ \"github.com/vungxa/vungxa/node\"",
		"sync/identity/a_test.go":  "package identity\nimport _ \"github.com/vungxa/vungxa/sync/link\"",
		"sync/deep/a.go":           "package deep\nfunc f() { go f() }",
		"node/a.go":                "package node\nimport \"os\"",
		"sync/link/a.go":           "package link\nimport \"net\"\nfunc f() { go f() }",
		"crdt/wire/limits/a.go":    "package limits\nimport \"log/slog\"",
		"sync/reconciled/other.go": "package reconciled\nimport \"os\"",
	}, "crdt/a.go:3", "crdt/a.go:6", "crdt/a.go:9", "crdt/a.go:11", "crdt/a.go:11", "crdt/a.go:11", "kpi/a.go:2",
		"sync/reconcile/a.go:4", "sync/identity/a.go:3", "sync/deep/a.go:2", "crdt/wire/limits/a.go:2")
}

func TestPackageComments(t *testing.T) {
	planted(t, PackageComments, map[string]string{
		"crdt/a.go":              "package crdt",
		"crdt/a_test.go":         "// Package crdt would be explained\n// in a test only.\npackage crdt",
		"kpi/a.go":               "// Package kpi counts.\npackage kpi",
		"node/a.go":              "// This package is\n// badly begun.\npackage node",
		"node/api/a.go":          "package api",
		"node/api/doc.go":        "// Package api speaks\n// HTTP.\npackage api",
		"node/cmd/v/main.go":     "// Vungxa is the binary.\npackage main",
		"node/cmd/w/main.go":     "package main",
		"node/systemtest/a.go":   "// Package systemtest runs\n// processes.\npackage systemtest",
		"sync/simtest/a_test.go": "// Package simtest_test is\n// a folder of tests alone.\npackage simtest_test",
	}, "crdt/a.go:1", "kpi/a.go:2", "node/a.go:3", "node/cmd/w/main.go:1")
}

func TestStandardNames(t *testing.T) {
	rule := StandardNames([]string{"errors", "encoding/json", "math/rand/v2", "internal/trace", "vendor/golang.org/x/net/idna"})
	planted(t, rule, map[string]string{
		"node/errors/a.go": "package failure",
		"node/b/a.go":      "package json",
		"node/rand/a.go":   "package rand",
		"node/trace/a.go":  "package trace",
		"node/idna/a.go":   "package idna",
	}, "node/errors/a.go:1", "node/b/a.go:1", "node/rand/a.go:1")
}

func TestEmptyNames(t *testing.T) {
	planted(t, EmptyNames, map[string]string{
		"node/util/a.go":                    "package util",
		"node/api/helpers_test.go":          "package api",
		"node/api/b.go":                     "package common",
		"desktop/frontend/src/misc.test.ts": "",
		"desktop/frontend/src/Utils/a.ts":   "",
		"node/utility/a.go":                 "package utility",
	}, "node/util/a.go", "node/api/helpers_test.go", "node/api/b.go:1", "desktop/frontend/src/misc.test.ts", "desktop/frontend/src/Utils/a.ts")
}

func TestInits(t *testing.T) {
	files := map[string]string{
		"node/a.go":      "package node\n\nfunc init() {}",
		"node/b.go":      "package node\n\nfunc init() {}",
		"node/c.go":      "package node\ntype t int\nfunc (t) init() {}",
		"node/a_test.go": "package node\nfunc init() {}",
	}
	planted(t, Inits(Excuses{}), files, "node/a.go:3", "node/b.go:3")
	planted(t, Inits(Excuses{"node/a.go": "registers a driver"}), files, "node/b.go:3")
	planted(t, Inits(Excuses{"node/a.go": "x", "node/b.go": "x", "node/gone.go": "x"}), files, "node/gone.go")
}

func TestSwitches(t *testing.T) {
	planted(t, Switches, map[string]string{
		"node/a.go":      "package node\nvar a = options{Without: 1}\nvar b = options{Without: a.Without}\nvar c = options{Within: 1}",
		"node/b.go":      "package node\nfunc f(o options) {\n\to.Without = 1\n\to.Without |= 2\n\to.Without = a.Without\n}",
		"node/a_test.go": "package node\nvar d = options{Without: 1}",
	}, "node/a.go:2", "node/b.go:3", "node/b.go:4")
}

func TestBuildOutput(t *testing.T) {
	files := map[string]string{
		"desktop/frontend/dist/.gitkeep":          "",
		"desktop/frontend/dist/index.html":        "<html>",
		"desktop/frontend/node_modules/a/LICENSE": "",
		"bin/note":               "",
		"var/box/MANIFEST":       "",
		"node/store/program":     "\x7fELF\x02",
		"node/store/program.exe": "MZ\x90\x00",
		"deploy/big.csv":         strings.Repeat("x", bytesMax+1),
		"deploy/small.csv":       strings.Repeat("x", bytesMax),
		"distance/a.txt":         "",
	}
	planted(t, BuildOutput, files, "desktop/frontend/dist/index.html", "desktop/frontend/node_modules/a/LICENSE", "bin/note",
		"var/box/MANIFEST", "node/store/program", "node/store/program.exe", "deploy/big.csv")
	tr := tree(t, files)
	for _, f := range tr.Files {
		f.Tracked = false
	}
	if found := BuildOutput(tr); len(found) > 0 {
		t.Errorf("untracked files are no concern of git's: %v", found)
	}
}

func TestMachine(t *testing.T) {
	planted(t, Machine, map[string]string{
		"a.md":                "see\n`/wo" + "rk/x`, (/ro" + "ot/y) once\nhttps://host/work/z, ./work/z, $X/tmp/z, network/work/",
		"b.sh":                "/tm" + "p/x/y",
		"package-lock.json":   "{\n\"resolved\": \"https://registry" + ".npmjs.org/a\"\n}",
		"c.txt":               "GOPROXY=https://proxy" + ".golang.org",
		"picture.png":         "\x00 /wo" + "rk/x",
		"node/api/a.go":       "package api\n\nconst f = \"../../.." + "/shared/data\"",
		"node/api/a_test.go":  "package api\n\nconst g = \"../../.." + "/shared/data\"",
		"node/api/sharing.go": "package api\n\n// ../shared" + "thing",
	}, "a.md:2", "b.sh:1", "package-lock.json:2", "c.txt:1", "node/api/a.go:3")
}

func TestScripts(t *testing.T) {
	planted(t, Scripts, map[string]string{
		"desktop/frontend/a.test.ts": "it('a', f)\nit." + "only('b', f)\ndescribe" + ".skip('c', f)\nxit" + "('d', f)\nit.skipIf(x)('e', f)\nexit(1)",
		"a.md":                       "it." + "only(",
	}, "desktop/frontend/a.test.ts:2", "desktop/frontend/a.test.ts:3", "desktop/frontend/a.test.ts:4")
}

func TestClock(t *testing.T) {
	files := map[string]string{
		"node/api/a.go":      "package api\nimport \"time\"\nvar now = time.Now\nfunc f(t time.Time) any { return time.Since(t) }",
		"node/api/b.go":      "package api\nimport \"time\"\nfunc g(now func() time.Time) *time.Timer { return time.NewTimer(1) }",
		"node/api/c.go":      "package api\nimport \"time\"\nfunc h() {\nc.SetReadDeadline(time.Now().Add(1))\nc.SetDate(time.Now())\n}",
		"node/api/a_test.go": "package api\nimport \"time\"\nvar x = time.Now()",
		"node/cmd/v/main.go": "package main\nimport \"time\"\nvar x = time.Now()",
	}
	planted(t, Clock(Excuses{}), files, "node/api/a.go:3", "node/api/a.go:4", "node/api/c.go:5")
	planted(t, Clock(Excuses{"node/api/a.go": "a reason"}), files, "node/api/c.go:5")
	planted(t, Clock(Excuses{"node/api/a.go": "x", "node/api/b.go": "x", "node/api/c.go": "x"}), files, "node/api/b.go")
}

func TestChance(t *testing.T) {
	planted(t, Chance(Excuses{}), map[string]string{
		"node/api/a.go":      "package api\nimport \"math/rand/v2\"\nfunc f() int { return rand.IntN(3) }",
		"node/api/b.go":      "package api\nimport \"math/rand/v2\"\nfunc g() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }",
		"node/api/c.go":      "package api\nimport \"crypto/rand\"\nfunc h(b []byte) { rand.Read(b) }",
		"node/api/a_test.go": "package api\nimport \"math/rand/v2\"\nvar x = rand.IntN(3)",
	}, "node/api/a.go:3")
}

func TestSleeps(t *testing.T) {
	files := map[string]string{
		"node/api/a_test.go": `package api
import ("testing"; "testing/synctest"; "time")
func TestA(t *testing.T) {
	time.Sleep(1)
	synctest.Test(t, func(t *testing.T) { time.Sleep(1); virtual() })
	through()
}`,
		"node/api/b_test.go": `package api
import "time"
func virtual() { time.Sleep(1) }
func (c conn) through() { real() }
func real() { time.Sleep(1) }`,
		"node/store/a_test.go": "package store\nimport \"time\"\nfunc unreached() { time.Sleep(1) }",
		"node/api/a.go":        "package api\nimport \"time\"\nfunc f() { time.Sleep(1) }",
	}
	planted(t, Sleeps(Excuses{}), files, "node/api/a_test.go:4", "node/api/b_test.go:5", "node/store/a_test.go:3")
	planted(t, Sleeps(Excuses{"node/api/a_test.go": "a real process has no event to wait for"}), files, "node/api/b_test.go:5", "node/store/a_test.go:3")
}

func TestSkips(t *testing.T) {
	planted(t, Skips, map[string]string{
		"node/api/a_test.go": `package api
func TestA(t *testing.T) {
	t.Skip()
	t.SkipNow()
	t.Skip("todo")
	t.Skipf("no postgres on the path: %v", err)
	t.Skip(reason)
}`,
		"node/api/a.go": "package api\nfunc f(r reader) { r.Skip() }",
	}, "node/api/a_test.go:3", "node/api/a_test.go:4", "node/api/a_test.go:5")
}

func TestWraps(t *testing.T) {
	planted(t, Wraps, map[string]string{
		"node/api/a.go": `package api
import ("fmt"; "errors")
var a = fmt.Errorf("open: %v", err)
var b = fmt.Errorf("open: %w", err)
var c = fmt.Errorf("close: %s", closeErr)
var d = fmt.Errorf("row %d", row)
var e = errors.New(err.Error())
var f = fmt.Errorf("open: %s", err.Error())
var g = errors.New("plain")`,
		"node/api/a_test.go": "package api\nimport \"fmt\"\nvar a = fmt.Errorf(\"x %v\", err)",
	}, "node/api/a.go:3", "node/api/a.go:5", "node/api/a.go:7", "node/api/a.go:8")
}

func TestExits(t *testing.T) {
	const body = "\nimport (\n\"log\"\n\"os\"\n)\nfunc f() {\nlog.Fatalf(\"x\")\nos.Exit(1)\nlog.Print(os.Args)\n}"
	planted(t, Exits, map[string]string{
		"node/api/a.go": "package api" + body, "node/api/a_test.go": "package api" + body, "node/cmd/v/main.go": "package main" + body,
	}, "node/api/a.go:7", "node/api/a.go:8")
}

func TestUnfinished(t *testing.T) {
	planted(t, Unfinished, map[string]string{
		"node/api/a.go":              "package api\n\n// TO" + "DO: later",
		"desktop/frontend/src/a.tsx": "// FIX" + "ME",
		"a.md":                       "TO" + "DO",
		"b.sh":                       "mktemp a.XXXXXX",
	}, "node/api/a.go:3", "desktop/frontend/src/a.tsx:1")
}

func TestDesktopTag(t *testing.T) {
	const wails = "package main\nimport _ \"github.com/wailsapp/wails/v2\""
	planted(t, DesktopTag, map[string]string{
		"desktop/a.go": wails,
		"desktop/b.go": "//go:build desktop\n\n" + wails,
		"desktop/c.go": "// A licence.\n\n//go:build desktop && !server\n\n" + wails,
		"desktop/d.go": "//go:build desktop || linux\n\n" + wails,
	}, "desktop/a.go:2", "desktop/d.go:4")
}

func TestWindows(t *testing.T) {
	planted(t, Windows, map[string]string{
		"node/a/a.go":              "//go:build unix\n\npackage a",
		"node/b/b_linux.go":        "package b",
		"node/c/c.go":              "//go:build linux && amd64\n\npackage c",
		"node/d/d.go":              "//go:build !windows\n\npackage d",
		"node/d/d_windows.go":      "package d",
		"node/e/e_darwin_arm64.go": "package e",
		"node/f/f.go":              "//go:build linux || darwin\n\npackage f",
		"node/g/linux.go":          "package g",
		"node/h/h_test.go":         "//go:build unix\n\npackage h",
		"desktop/i.go":             "//go:build desktop\n\npackage main",
	}, "node/a/a.go:3", "node/e/e_darwin_arm64.go:1", "node/f/f.go:3")
}

func TestFunctions(t *testing.T) {
	short := "package a\n"
	for i := range 33 {
		short += fmt.Sprintf("func f%d() {}\n", i)
	}
	long := func(n int) string { return "package a\nfunc g() {" + strings.Repeat("\n", n-1) + "}\n" }
	planted(t, Functions, map[string]string{"node/a/a.go": short, "node/a/b.go": long(71)})
	planted(t, Functions, map[string]string{"node/a/a.go": short, "node/a/b.go": long(71), "node/a/c.go": long(72)}, "node/a/b.go:2", "node/a/c.go:2")
	planted(t, Functions, map[string]string{"node/a/b.go": long(70)})
	planted(t, Functions, map[string]string{"node/a/b_test.go": long(71)})
}

func TestLengths(t *testing.T) {
	long := strings.Repeat("//\n", 501)
	planted(t, Lengths, map[string]string{"node/a/a.go": long + "package a", "desktop/frontend/src/a.tsx": long}, "node/a/a.go", "desktop/frontend/src/a.tsx")
	planted(t, Lengths, map[string]string{
		"node/a/a_test.go":                long + "package a",
		"desktop/frontend/src/a.test.tsx": long,
		"desktop/frontend/src/schema.ts":  "/* This file was auto-generated. Do not make direct changes to the file. */\n" + long,
		"a.md":                            long,
	})
}

func TestSummary(t *testing.T) {
	got := Summary(tree(t, map[string]string{"node/a/a.go": "package a\nfunc f() {\n\n}\nfunc g() {}\n"}))
	if want := "2 functions: median 1 lines, 90th percentile 1, 0 over 70; 1 files, 0 over 500"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
}

func TestLinks(t *testing.T) {
	planted(t, Links, map[string]string{
		"README.md":        "[a](docs/a.md) [b](docs/b.md#part)\n[c](docs) [d](https://host/x) [e](#here) [f](mailto:x@y)\n\n[g]: ./gone.md\n`[h](no.md)`\n```\n[i](no.md)\n```\n[j](/docs/a.md)",
		"docs/a.md":        "![p](picture.png) [up](../README.md) [dir](..)\n[seq, hash]: Ed25519 (RFC 8032) of the device\n[x]: gone.md \"title\"",
		"docs/picture.png": "",
	}, "README.md:1", "README.md:4", "README.md:9", "docs/a.md:3")
}
