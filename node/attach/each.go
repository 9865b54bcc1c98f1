package attach

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Each calls f with the hash of every attachment that is here. It reads all of each
// to know it; what is damaged ends it, as node.Damaged.
func (s *Store) Each(ctx context.Context, f func(Hash) error) error {
	return s.walk(ctx, func(path string, n name, _ int64) error {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("read an attachment: %w", err)
		}
		h, _, err := s.read(file)
		if err == nil && s.name(h) != n {
			err = damaged(errors.New("it is another file's content"))
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("read an attachment: %w", err)
		}
		return f(h)
	}, func(string) {})
}
