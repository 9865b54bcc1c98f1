package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/backup"
)

// A store that is gone is most often a disk that isn't mounted: no empty one takes
// its place unless someone says so.
func TestRepairDoesNotReplaceAVanishedStore(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	closed(t, office(t, dir))
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	_, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, restOptions())
	if node.CodeOf(err) != node.NotFound || !strings.Contains(node.Reason(err).VI, "--from") || !strings.Contains(node.Reason(err).EN, "mounted") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "store", "CURRENT")); err == nil {
		t.Error("a store was made")
	}
	if _, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{Empty: true}, restOptions()); err != nil {
		t.Errorf("when asked to: %v", err)
	}
}

// A directory of nodes is no node, and says whose they are; a directory is told to be
// locked by which process.
func TestWhoseDirectoryItIs(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	if _, err := daemon.ReadConfig(filepath.Dir(dir)); !strings.Contains(node.Reason(err).VI, dir) || node.CodeOf(err) != node.NotFound {
		t.Errorf("%v; want %s named", err, dir)
	}
	unlock, err := daemon.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := daemon.Lock(dir); err == nil || !strings.Contains(err.Error(), "(process ") {
		t.Errorf("%v", err)
	}
}

// Backups with many parts gone are told in one line each.
func TestVerifyCountsMissingParts(t *testing.T) {
	to, key := filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
	d := office(t, filepath.Join(provision(t), "box"))
	save(t, d, 0, 5)
	backUp(t, d, to, key.Recipient().String())
	set, err := backup.Open(to, key)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if err := os.RemoveAll(filepath.Join(to, "parts")); err != nil {
		t.Fatal(err)
	}
	var told []daemon.Finding
	v, err := daemon.VerifyBackups(t.Context(), set, func(f daemon.Finding) error { told = append(told, f); return nil })
	if err != nil || v.Findings != 1 || len(told) != 1 || !strings.Contains(told[0].What.VI, "Bản sao lưu số 1 thiếu phần 1/") {
		t.Errorf("%+v, %+v, %v", v, told, err)
	}
}

// A dump of a damaged store says that it isn't all, also where no line was passed over.
func TestADumpCountsWhatIsNotBelieved(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := office(t, dir)
	save(t, d, 0, 5)
	closed(t, d)
	if err := cut(filepath.Join(dir, "store"), "*.sst"); err != nil {
		t.Fatal(err)
	}
	done, err := daemon.DumpSalvaged(t.Context(), dir, restOptions(), func(any) error { return nil })
	if err != nil || done.Skipped == 0 {
		t.Errorf("%+v, %v; want that something is told as lost", done, err)
	}
}
