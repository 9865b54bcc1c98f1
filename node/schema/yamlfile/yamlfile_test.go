package yamlfile

import (
	"errors"
	"strings"
	"testing"
)

type fruit struct {
	Name  string   `yaml:"name"`
	Codes []string `yaml:"codes"`
	Size  int      `yaml:"size"`
	Parts []struct {
		Name string `yaml:"name"`
	} `yaml:"parts"`
}

const good = "name: quả\ncodes: [\"1.10\", a]\nsize: -5\nparts:\n  - name: hạt\n"

func TestRead(t *testing.T) {
	var v fruit
	f, err := Read("f.yaml", []byte(good), &v)
	if err != nil || v.Name != "quả" || v.Codes[0] != "1.10" || v.Size != -5 {
		t.Fatalf("got %+v, %v", v, err)
	}
	for key, want := range map[string]string{
		"parts[0].name":  "f.yaml:5: parts[0].name: mend it",
		"parts[0].seeds": "f.yaml:5: parts[0].seeds: mend it", // the nearest thing that is there
		"codes[1]":       "f.yaml:2: codes[1]: mend it",
		"colour":         "f.yaml:1: colour: mend it",
		"":               "f.yaml:1: mend it",
	} {
		if got := f.Problem(key, "mend %s", "it").Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"nome: a\n":                              "f.yaml:1: unknown field \"nome\"",
		"name: a\nname: b\n":                     "f.yaml:2: ",
		"name: [a\n":                             "f.yaml:1: ",
		"codes: a\n":                             "f.yaml:1: ",
		"name: &x a\ncodes: [*x]":                "f.yaml:1: anchors and aliases",
		"codes: [1.10]":                          "f.yaml:1: write 1.10 in quotes",
		"codes: [010]":                           "f.yaml:1: write 010 in quotes",
		"codes: [0x1F]":                          "f.yaml:1: write 0x1F in quotes",
		"codes: [1_000]":                         "f.yaml:1: write 1_000 in quotes",
		"\ncodes:\n  - a\n  - 1e3":               "", // a word to YAML
		"name: .inf":                             "f.yaml:1: write .inf in quotes",
		"":                                       "f.yaml: the file is empty",
		"# only a comment":                       "f.yaml: the file is empty",
		"name: a\n---\nname: b":                  "more than one document",
		"name: \xff":                             "f.yaml: not UTF-8",
		strings.Repeat("#", 1<<20) + "\nname: a": "split the file",
	} {
		var v fruit
		_, err := Read("f.yaml", []byte(in), &v)
		if says == "" {
			if err != nil {
				t.Errorf("%q: %v", in, err)
			}
			continue
		}
		var p *Problem
		if !errors.As(err, &p) || !strings.Contains(p.Error(), says) {
			t.Errorf("%.40q: got %v, want a Problem that says %q", in, err, says)
		}
	}
}
