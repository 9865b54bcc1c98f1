package attach

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vungxa/vungxa/node/store/sealed"
)

// CopyAll puts everything that another store holds into this one, under its own
// keys and names: a change of the data key. What is damaged ends it, as node.Damaged.
func (s *Store) CopyAll(ctx context.Context, from *Store) error {
	return from.walk(ctx, func(path string, n name, _ int64) error {
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("copy an attachment: %w", err)
		}
		return errors.Join(s.copyOne(ctx, from, n, f), f.Close())
	}, func(string) {})
}

func (s *Store) copyOne(ctx context.Context, from *Store, n name, f *os.File) error {
	plain, err := sealed.NewReader(f, from.keys, purposeFile)
	if err != nil {
		return fmt.Errorf("copy an attachment: %w", err)
	}
	h, _, err := s.Put(ctx, plain)
	if err == nil && from.name(h) != n {
		err = errOther
	}
	if err != nil {
		return fmt.Errorf("copy an attachment: %w", err)
	}
	return nil
}
