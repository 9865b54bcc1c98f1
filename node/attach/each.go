package attach

import (
	"context"
	"fmt"
)

// Each calls f with the hash of every attachment that is here. It reads all of each
// to know it; what is damaged ends it, as node.Damaged.
func (s *Store) Each(ctx context.Context, f func(Hash) error) error {
	return s.walk(ctx, func(path string, n name, _ int64) error {
		h, err := s.readNamed(path, n)
		if err != nil {
			return fmt.Errorf("read an attachment: %w", err)
		}
		return f(h)
	}, func(string) {})
}
