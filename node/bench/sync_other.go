//go:build !linux

package bench

import (
	"context"
	"errors"
)

// Sync needs network namespaces.
func Sync(context.Context, SyncOptions, Report) error {
	return errors.New("this measurement needs Linux, with root and network namespaces")
}
