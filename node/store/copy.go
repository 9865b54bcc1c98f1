package store

import (
	"bytes"
	"context"
	"fmt"
)

// CopyAll fills an empty store with everything that another holds, also what no
// backup carries (index rows, this device's secrets, its incarnation, how far raft
// was applied), under its own keys: a change of the data key makes the store anew,
// and the device stays the same. Every value's MAC is checked on the way; what is
// damaged is an error.
func (s *Store) CopyAll(ctx context.Context, from *Store) error {
	l := loader{store: s}
	err := from.View(func(tx *Tx) error {
		return tx.Scan(Scan{Values: true}, func(key, value []byte) (bool, error) {
			if bytes.Equal(key, metaKey(metaCommit)) {
				return true, ctx.Err() // counts this store's own transactions
			}
			if len(l.rows) == loadKeys || len(l.rows) > 0 && l.bytes+len(key)+len(value) > loadBytes {
				if err := l.write(); err != nil {
					return false, err
				}
			}
			l.rows = append(l.rows, [2][]byte{bytes.Clone(key), append([]byte{}, value...)})
			l.bytes += len(key) + len(value)
			return true, ctx.Err()
		})
	})
	if err == nil {
		err = l.write()
	}
	if err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	return nil
}
