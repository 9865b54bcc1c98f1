//go:build !linux && !windows

package daemon

import (
	"path/filepath"

	"github.com/vungxa/vungxa/node/api"
)

// removable are the volumes of macOS; elsewhere a path is typed.
func removable() (all []api.StickPlace) {
	names, err := filepath.Glob("/Volumes/*")
	if err != nil {
		return nil
	}
	for _, name := range names {
		if p, ok := stickPlace(name); ok {
			all = append(all, p)
		}
	}
	return all
}
