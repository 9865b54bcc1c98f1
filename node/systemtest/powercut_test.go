//go:build linux

package systemtest

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/sync/identity"
)

var powercuts = flag.Int("powercuts", 4, "how often the power of a store is cut; that of the province, and of the laptop, half as often")

const cutScope = crdt.Scope("c/01290")

// office is a real engine on a store in dir. Its province is a key of the test's,
// so that it can give itself receipts.
type office struct {
	*engine.Bare
	province ed25519.PrivateKey
}

func openOffice(dir string) (*office, error) {
	box, province := testKey("box"), testKey("province")
	pack, err := packs.Commune()
	if err != nil {
		return nil, err
	}
	bare, err := engine.OpenBare(dir, box, engine.Config{
		Pack: pack, Role: identity.RoleLaptop, Scopes: []crdt.Scope{cutScope},
		Now: time.Now, Rand: rand.NewChaCha8(sha256.Sum256([]byte(dir))),
		RoleOf: func(d crdt.Device) (identity.Role, bool) {
			return identity.RoleHub, d == identity.DeviceOf(identity.Public(province))
		},
	})
	return &office{bare, province}, err
}

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// receive gives the office a province's receipt for all that it holds.
func (o *office) receive() error {
	heads, err := o.Heads(cutScope)
	if err != nil {
		return err
	}
	r := &identity.Receipt{Signer: identity.DeviceOf(identity.Public(o.province)), Scope: cutScope}
	for log, head := range heads {
		r.Heads = append(r.Heads, identity.LogHead{Log: log, Head: head})
	}
	if err := r.Sign(func(m []byte) []byte { return ed25519.Sign(o.province, m) }); err != nil {
		return err
	}
	return o.StoreReceipt(r)
}

// saveForEver saves, and says what was acknowledged: "saved ID" when a save
// has returned, "tick ID" when its tick would be shown.
func saveForEver(dir string, out io.Writer) error {
	o, err := openOffice(dir)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		ids, err := o.Save(context.Background(), engine.Save{Officer: "thử", Class: crdt.ClassRecords, Changes: []engine.Change{{
			Collection: "dossiers", Values: map[string]any{"MaTTHC": "2.000815", "ChuHoSo": fmt.Sprintf("Người Mẫu %d", i), "TrangThaiHoSo": "2"},
		}}})
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "saved", ids[0])
		if i%10 == 9 {
			if err := o.receive(); err != nil {
				return err
			}
			fmt.Fprintln(out, "tick", ids[0])
		}
	}
}

// TestPowerCut stops a writer at a random moment, takes the disk as it is then
// (what the kernel still held in memory is gone), and looks for everything that
// had been acknowledged.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	needLoop(t)
	t.Logf("seed %d (-seed replays), %d cuts (-powercuts)", *seed, *powercuts)
	rng := rand.New(rand.NewPCG(*seed, 0))
	for i := range *powercuts {
		after := 20 + rng.IntN(400)
		t.Run(fmt.Sprintf("%d/after %d acknowledgements", i, after), func(t *testing.T) { powerCut(t, after) })
	}
}

func powerCut(t *testing.T, after int) {
	dir := t.TempDir()
	image, cut := filepath.Join(dir, "disk.img"), filepath.Join(dir, "cut.img")
	run(t, "truncate", "-s", "192M", image)
	run(t, "mkfs.ext4", "-q", "-F", image)
	disk := mount(t, image, filepath.Join(dir, "disk"))
	acknowledged := writeAndStop(t, filepath.Join(disk, "store"), after, func() {
		run(t, "cp", "--sparse=always", image, cut)
	})
	again := mount(t, cut, filepath.Join(dir, "again"))
	o, err := openOffice(filepath.Join(again, "store"))
	if err != nil {
		t.Fatalf("after the cut: %v", err)
	}
	defer func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, line := range acknowledged {
		kind, name, _ := strings.Cut(line, " ")
		id, err := crdt.ParseRecordID(name)
		if err != nil {
			t.Fatalf("the writer said %q: %v", line, err)
		}
		v, err := o.Get(context.Background(), "dossiers", id)
		if err != nil {
			t.Fatalf("%q was acknowledged and is gone: %v", line, err)
		}
		if kind == "tick" && v.Tick != engine.Province {
			t.Fatalf("%q was shown and is gone: the tick is %v", line, v.Tick)
		}
	}
	t.Logf("%d acknowledgements, all there", len(acknowledged))
}

// writeAndStop runs a writer until it has acknowledged so much, stops it with no
// chance to write more, and calls cut.
func writeAndStop(t *testing.T, dir string, after int, cut func()) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "VUNGXA_WRITER="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var said []string
	for len(said) < after && lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	cut()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait() // it was killed: that is no news
	if len(said) < after {
		t.Fatalf("the writer ended after %d acknowledgements: %v", len(said), err)
	}
	return said
}

func needLoop(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED power cuts: mounting a loop device needs root")
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED power cuts: %s is missing (apt-get install e2fsprogs mount)", tool)
		}
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "probe.img")
	run(t, "truncate", "-s", "8M", image)
	run(t, "mkfs.ext4", "-q", "-F", image)
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED power cuts: this machine mounts no loop device: %s", out)
	}
	run(t, "umount", dir)
}

func mount(t *testing.T, image, at string) string {
	t.Helper()
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", "loop", image, at)
	t.Cleanup(func() { run(t, "umount", at) })
	return at
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
