package attach

import (
	"context"
	"path/filepath"
)

// Each calls f with the hash of every attachment that is here. It reads all of each
// to know it, and tells of what is damaged.
func (s *Store) Each(ctx context.Context, f func(Hash) error, report func(Finding)) error {
	return s.walk(ctx, func(path string, n name, _ int64) error {
		h, err := s.readNamed(path, n)
		if err != nil {
			report(Finding{Kind: Damaged, File: filepath.Base(path), Err: err})
			return nil
		}
		return f(h)
	}, func(string) {})
}
