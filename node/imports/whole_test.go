package imports

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
)

// A file that is refused as a whole says that nothing of it went in, and a workbook is
// known by its name, whatever is in it.
func TestARefusedFileSaysThatNothingWentIn(t *testing.T) {
	err := nothingWentIn(refuse("tệp bị cắt ngang", "the file is cut off"))
	if r := node.Reason(err); r.VI != "tệp bị cắt ngang. Chưa dòng nào của tệp được ghi." || r.EN != "the file is cut off; nothing of the file went in" {
		t.Errorf("%+v", r)
	}
	workbook := filepath.Join(t.TempDir(), "Sổ.XLSX")
	if err := os.WriteFile(workbook, []byte("\x89\x00\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := File(workbook)(); err == nil || !strings.Contains(node.Reason(err).VI, "bảng tính (.xlsx)") {
		t.Errorf("%v", err)
	}
}
