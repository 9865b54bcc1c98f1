package backup

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

var allMachines = flag.Bool("machines", false, "read the kept set on every machine that qemu has, not just on s390x")

// The set of testdata was made on a little-endian machine of 64 bits. It is read by
// the same tests on others, under qemu's user mode.
func TestOtherMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: tests are not built for other machines")
	}
	for arch, qemu := range map[string]string{"s390x": "qemu-s390x", "arm64": "qemu-aarch64", "arm": "qemu-arm"} {
		t.Run(arch, func(t *testing.T) {
			if arch == runtime.GOARCH {
				t.Skip("this is such a machine: the tests beside this one are run on it")
			}
			if arch != "s390x" && !*allMachines {
				t.Skip("s390x, big-endian, stands for all; `make machines` takes the others too")
			}
			emulator, err := exec.LookPath(qemu)
			if err != nil {
				t.Skipf("%s is not installed (Debian: qemu-user), so reading a backup on %s is not shown", qemu, arch)
			}
			binary := filepath.Join(t.TempDir(), "backup.test")
			build := exec.Command("go", "test", "-c", "-o", binary, ".")
			build.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOARM=7", "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build for %s: %v\n%s", arch, err, out)
			}
			run := exec.Command(emulator, binary, "-test.short", "-test.run", "^(TestFormat1IsRead|TestVectors|TestANodeComesBack|TestASecondBackupWritesWhatChanged)$", "-test.v")
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("on %s: %v\n%s", arch, err, out)
			}
			t.Logf("on %s:\n%s", arch, out)
		})
	}
}
