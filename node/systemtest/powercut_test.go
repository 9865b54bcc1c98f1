//go:build linux

package systemtest

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/sync/identity"
)

var powercuts = flag.Int("powercuts", 30, "how often the power is cut: a sixth of it that of a whole province, a sixth that of a laptop, the rest that of a store")

// cutsOfANode is how many of the power cuts a whole node gets.
func cutsOfANode() int { return *powercuts / 6 }

// cutsInARow is how often the power of one store is cut, before a new one is filled.
const cutsInARow = 5

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
// had been acknowledged. Most disks are those of a store that has been through it
// before.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	needLoop(t)
	cuts := *powercuts - 2*cutsOfANode()
	t.Logf("seed %d (-seed replays), %d cuts (-powercuts)", *seed, cuts)
	rng := rand.New(rand.NewPCG(*seed, 0))
	for i := 0; i < cuts; i += cutsInARow {
		var moments []int
		for range min(cutsInARow, cuts-i) {
			moments = append(moments, 20+rng.IntN(120))
		}
		t.Run(fmt.Sprintf("%d/after %d acknowledgements", i, moments), func(t *testing.T) { cutInARow(t, moments) })
	}
}

// cutInARow lets writers fill a store, one after the other, each until it has
// acknowledged so much, and then looks for what all of them have acknowledged.
func cutInARow(t *testing.T, moments []int) {
	d := newDisk(t)
	var acknowledged []string
	for _, after := range moments {
		acknowledged = append(acknowledged, d.writeAndCut(filepath.Join(d.at, "store"), after)...)
		allThere(t, filepath.Join(d.at, "store"), acknowledged)
	}
	t.Logf("%d cuts, %d acknowledgements, all there", len(moments), len(acknowledged))
}

// allThere fails unless a store at rest has everything that was said of it.
func allThere(t *testing.T, dir string, acknowledged []string) {
	t.Helper()
	o, err := openOffice(dir)
	if err != nil {
		t.Fatalf("after the cut: %v", err)
	}
	defer func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}()
	if d := o.Store.Damage(); len(d) > 0 {
		t.Errorf("after the cut the store takes itself for damaged: %+v", d)
	}
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
}

// writeAndCut runs a writer until it has acknowledged so much, and cuts its power.
func (d *disk) writeAndCut(dir string, after int) []string {
	d.Helper()
	p := &process{Cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	p.Env = append(os.Environ(), "VUNGXA_WRITER="+dir)
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		d.Fatal(err)
	}
	if err := p.Start(); err != nil {
		d.Fatal(err)
	}
	end := func() {
		close(p.ended)
		_ = p.Wait() // it was killed: that is no news
	}
	lines := bufio.NewScanner(out)
	var said []string
	for len(said) < after && lines.Scan() {
		said = append(said, lines.Text())
	}
	if len(said) < after {
		end()
		d.Fatalf("the writer ended after %d acknowledgements: %v", len(said), p.ProcessState)
	}
	d.cut(p, func() {
		err := p.Process.Kill()
		end()
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			d.Fatal(err)
		}
	})
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
