package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func parse(c *console, args ...string) error {
	_, err := newParser(c).Parse(args)
	return err
}

// Whatever is wrong with a command line is told in the language that was asked for,
// with where help is.
func TestMistakesAreToldInBothLanguages(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct{ line, vi, en string }{
		{"", `Hãy nói cần làm gì, chẳng hạn "run", "demo", "signin", "import", "keys".` + "\nTrợ giúp: vungxa --help", "expected one of"},
		{"verify --foo", "Không có tùy chọn --foo.\nTrợ giúp: vungxa verify --help", "unknown flag"},
		{"verify --bakup x", `Có phải ý bạn là "--backup"?`, "did you mean"},
		{"verify --dir x y", "Không hiểu đối số y.", "unexpected argument"},
		{"restor --dir x", `Có phải ý bạn là "restore"?`, "did you mean"},
		{"restore", "Thiếu tùy chọn: --dir", "missing flags"},
		{"import --collection a --map b", "Thiếu đối số", "expected"},
		{"keys add foo --dir x", "phải là một trong", "must be one of"},
		{"backup --dir x --to y --keep z", `--keep: cần một số nguyên, không phải "z".`, "valid"},
		{"verify --dir", "--dir: thiếu giá trị.", "expected"},
		{"run --dir x --json=3", "--json là tùy chọn bật/tắt", "bool"},
		{"dump --dir x --log --collection q", "Không dùng --collection cùng --log.", "together"},
		{"verify --backup /nowhere/at-all", "--backup: không mở được /nowhere/at-all: không có ở đó.", "no such file"},
		{"verify --backup " + file, "là tệp, còn ở đây cần một thư mục", "is a file, and a directory"},
		{"backup --dir x --to=", "--to trống: hãy viết một đường dẫn.", "--to is empty"},
		{"run --dir=", "--dir trống", "--dir is empty"},
		{"run --dir x --packs=", "--packs trống", "--packs is empty"},
	} {
		for _, english := range []bool{false, true} {
			c, want := &console{english: english}, m.vi
			if english {
				want = m.en
			}
			err := parse(c, strings.Fields(m.line)...)
			if err == nil {
				t.Errorf("%q is taken", m.line)
				continue
			}
			if said := misused(c, err); !strings.Contains(said, want) || english == strings.Contains(said, "Trợ giúp") {
				t.Errorf("%q: %q; want %q", m.line, said, want)
			}
		}
	}
}

// Every command, option and argument has its Vietnamese.
func TestHelpIsInVietnamese(t *testing.T) {
	check := func(what, english, vi string) {
		if english != "" && (vi == "" || vi == english) {
			t.Errorf("%s: no Vietnamese beside %q", what, english)
		}
	}
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			check(n.FullPath()+" --"+f.Name, f.Help, vietnameseOf(f.Value))
		}
		for _, p := range n.Positional {
			check(n.FullPath()+" "+p.Name, p.Help, vietnameseOf(p))
		}
		for _, child := range n.Children {
			check(child.FullPath(), child.Help, child.Tag.Get("vi"))
			walk(child)
		}
	}
	walk(newParser(&console{english: true}).Model.Node)
	for line, want := range map[string][]string{"--help": {"Các lệnh:", "Tùy chọn:", "Xem một lệnh: vungxa <lệnh> --help"}, "import --help": {"Cách dùng: vungxa import", "Đối số:"}} {
		var page bytes.Buffer
		parser := newParser(&console{})
		parser.Stdout, parser.Exit = &page, func(int) { panic(page.String()) }
		func() {
			defer func() { _ = recover() }() // help ends the program
			_, _ = parser.Parse(strings.Fields(line))
		}()
		for _, w := range want {
			if !strings.Contains(page.String(), w) || strings.Contains(page.String(), "Flags:") {
				t.Errorf("%s: no %q in %s", line, w, page.String())
			}
		}
	}
}
