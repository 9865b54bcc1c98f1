package store

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/crdt/wire"
)

// A program that is killed while its copy tries the store leaves no copy behind that
// would keep the store from the next start. Here the copy waits for ever, for a
// MANIFEST of which nothing comes.
func TestTheCopyEndsWithWhoAskedForIt(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, badger.ManifestFilename), 0o600); err != nil {
		t.Fatal(err)
	}
	order, err := wire.Marshal(order{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tries := exec.CommandContext(ctx, os.Args[0])
	tries.Env = append(os.Environ(), probeAsked+"=1")
	asking, err := tries.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tries.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = asking.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(order))), order...))
	if err := errors.Join(err, asking.Close()); err != nil {
		t.Fatal(err)
	}
	if err := tries.Wait(); ctx.Err() != nil || tries.ProcessState.ExitCode() != 1 {
		t.Errorf("the copy ended with %v; want that it ends itself, with 1", err)
	}
}
