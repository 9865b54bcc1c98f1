package hub

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/hashicorp/raft"

	"github.com/vungxa/vungxa/crdt/wire"
)

// Reseal copies the directory of a member that is closed to an empty one, with
// everything that open opens sealed anew by seal. Indices, terms, votes and the hub
// epoch stay. Where there is no directory there is nothing to do.
func Reseal(from, to string, open, seal Sealer, log *slog.Logger) (err error) {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("hub: seal %s anew: %w", from, err)
		}
	}()
	if err := makeDir(to); err != nil {
		return err
	}
	config := &raft.Config{Logger: newLogger(log)}
	var src, dst Hub
	defer func() { err = errors.Join(err, src.closeWAL(), dst.closeWAL()) }()
	if err := errors.Join(src.openWAL(Config{Dir: from}, config), dst.openWAL(Config{Dir: to}, config)); err != nil {
		return err
	}
	if err := resealSnapshots(from, to, open, seal, config); err != nil {
		return err
	}
	if err := copyStable(&src, &dst); err != nil {
		return err
	}
	return resealLog(&src, &dst, open, seal)
}

// copyStable copies what raft must remember beside its log.
func copyStable(src, dst *Hub) error {
	for _, key := range []string{keyEpoch, "CurrentTerm", "LastVoteTerm"} {
		v, err := src.wal.GetUint64([]byte(key))
		if err != nil {
			return err
		}
		if err := dst.wal.SetUint64([]byte(key), v); err != nil {
			return err
		}
	}
	vote, err := src.wal.Get([]byte("LastVoteCand"))
	if err != nil || vote == nil {
		return err
	}
	return dst.wal.Set([]byte("LastVoteCand"), vote)
}

func resealLog(src, dst *Hub, open, seal Sealer) error {
	first, err := src.wal.FirstIndex()
	if err != nil {
		return err
	}
	last, err := src.wal.LastIndex()
	if err != nil || first == 0 {
		return err
	}
	for i := first; i <= last; i++ {
		var l raft.Log
		if err := src.wal.GetLog(i, &l); err != nil {
			return err
		}
		if l.Type == raft.LogCommand {
			if l.Data, err = reseal(open, seal, aboutCommand, l.Data); err != nil {
				return fmt.Errorf("%w %d: %w", ErrCommand, i, err)
			}
		}
		if err := dst.wal.StoreLog(&l); err != nil {
			return err
		}
	}
	return nil
}

func reseal(open, seal Sealer, about string, sealed []byte) ([]byte, error) {
	plain, err := open.Open(about, sealed)
	if err != nil {
		return nil, err
	}
	return seal.Seal(about, plain)
}

// resealSnapshots copies the newest snapshot, which is all that raft needs.
func resealSnapshots(from, to string, open, seal Sealer, config *raft.Config) error {
	src, err := raft.NewFileSnapshotStoreWithLogger(from, snapshotsKept, config.Logger)
	if err != nil {
		return err
	}
	dst, err := raft.NewFileSnapshotStoreWithLogger(to, snapshotsKept, config.Logger)
	if err != nil {
		return err
	}
	list, err := src.List()
	if err != nil || len(list) == 0 {
		return err
	}
	meta, source, err := src.Open(list[0].ID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	_, transport := raft.NewInmemTransport("") // names the members in the snapshot's head
	sink, err := dst.Create(meta.Version, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, transport)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	if err := resealSnapshot(sink, bufio.NewReader(source), open, seal); err != nil {
		return errors.Join(err, sink.Cancel(), source.Close())
	}
	return errors.Join(sink.Close(), source.Close(), transport.Close())
}

func resealSnapshot(w io.Writer, r io.Reader, open, seal Sealer) error {
	from := &fsm{sealer: open}
	head, err := from.readItem(r, aboutHeader, headerBytes)
	if err != nil {
		return err
	}
	to := &snapshot{fsm: &fsm{sealer: seal}}
	if err := wire.Unmarshal(head, headerBytes, &to.header); err != nil {
		return fmt.Errorf("%w: header: %w", ErrSnapshot, err)
	}
	if err := to.writeItem(w, aboutHeader, head); err != nil {
		return err
	}
	for count := uint64(0); ; count++ {
		about := to.header.aboutSegment(count)
		b, err := from.readItem(r, about, wire.MaxSegment)
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		if err := to.writeItem(w, about, b); err != nil {
			return err
		}
	}
	if _, err := w.Write(make([]byte, 4)); err != nil {
		return err
	}
	end, err := from.readItem(r, to.header.aboutEnd(), endBytes)
	if err != nil {
		return err
	}
	return to.writeItem(w, to.header.aboutEnd(), end)
}
