package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
)

// A script learns what came of an import from how it ends.
func TestWhatAnImportEndsWith(t *testing.T) {
	for _, m := range []struct {
		states  string
		refused bool
		want    error
	}{
		{"taken", false, nil}, {"arrived foreign", false, nil}, {"waiting", false, nil},
		{"taken altered", false, errDamage}, {"short", false, errDamage}, {"partial taken", false, errDamage},
		{"taken stranger", false, errRowsLeft}, {"refused", false, errRowsLeft}, {"unknown", false, errRowsLeft}, {"taken", true, errRowsLeft},
	} {
		var files []api.StickFile
		for _, state := range strings.Fields(m.states) {
			f := api.StickFile{State: state}
			if m.refused {
				f.Refused = append(f.Refused, api.NewLabel(node.Text{VI: "vì", EN: "why"}))
			}
			files = append(files, f)
		}
		if got := notTaken(files); !errors.Is(got, m.want) {
			t.Errorf("%s: %v; want %v", m.states, got, m.want)
		}
	}
	for _, states := range []string{"", "foreign", "ours"} {
		var files []api.StickFile
		if states != "" {
			files = append(files, api.StickFile{State: states})
		}
		if err := notTaken(files); node.CodeOf(err) != node.NotFound {
			t.Errorf("%q: %v", states, err)
		}
	}
}

// What was written is told once, and what wasn't with a way out and nothing of the system's.
func TestWhatIsSaidOfAStick(t *testing.T) {
	const readOnly = `{"name":"Tỉnh","files":[],"problem":{"vi":"Không ghi được","en":"It can't"},"read_only":true}`
	for _, m := range []struct {
		written  string
		imported bool
		says     string
		fails    bool
	}{
		{`{"name":"Tỉnh","files":["A","B"],"bytes":5,"entries":1234,"attachments":2,"more":true,"problem":null}`, false,
			"Gửi Tỉnh: 1.234 lần lưu trong 2 tệp, 5 byte. Chỉ tính là đang trên đường đi, cho tới khi biên nhận về.\n    cùng 2 tệp đính kèm\nChưa đủ chỗ cho tất cả. Cắm USB khác rồi chạy lại với --go-on.\n", false},
		{`{"name":"Tỉnh","files":[],"more":true,"problem":{"vi":"USB hết chỗ, chưa ghi được gì.","en":"Full."}}`, false, "", true},
		{readOnly, false, "", true},
		{readOnly, true, "Gửi Tỉnh: chưa để lại được biên nhận vì USB bị khóa ghi; nó đi ở lần ghi USB sau, hoặc khi có đường truyền. Muốn ghi ngay thì gạt chốt khóa ghi rồi chạy lại lệnh này.\n", false},
		{`{"name":"Tỉnh","files":[],"problem":null}`, true, "Gửi Tỉnh: không có gì mới.\n", false},
	} {
		var w api.StickWritten
		if err := json.Unmarshal([]byte(m.written), &w); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		c := &console{out: &out}
		c.stickWritten(w, m.imported)
		err := notWritten(api.StickSwapped{Written: []api.StickWritten{w}}, m.imported)
		if out.String() != m.says || (err != nil) != m.fails {
			t.Errorf("%s: %q, %v", m.written, out.String(), err)
		}
	}
}
