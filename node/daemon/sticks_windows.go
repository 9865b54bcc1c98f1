package daemon

import (
	"golang.org/x/sys/windows"

	"github.com/vungxa/vungxa/node/api"
)

// removable are the drives that Windows calls removable.
func removable() (all []api.StickPlace) {
	drives, err := windows.GetLogicalDrives()
	if err != nil {
		return nil // a path can still be typed
	}
	for i := range 26 {
		root := string(rune('A'+i)) + `:\`
		name, err := windows.UTF16PtrFromString(root)
		if err != nil || drives&(1<<i) == 0 || windows.GetDriveType(name) != windows.DRIVE_REMOVABLE {
			continue
		}
		if p, ok := stickPlace(root); ok {
			p.Label = root
			all = append(all, p)
		}
	}
	return all
}
