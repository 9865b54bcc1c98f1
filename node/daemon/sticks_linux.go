package daemon

import (
	"os"
	"strings"

	"github.com/vungxa/vungxa/node/api"
)

// mountedUnder are the places where desktops and people mount what is plugged in.
var mountedUnder = []string{"/media/", "/run/media/", "/mnt"}

// removable are the disks that are mounted there, by the kernel's list.
func removable() (all []api.StickPlace) {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil // a path can still be typed
	}
	// The kernel writes spaces and the like in octal.
	plain := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		path := plain.Replace(fields[1])
		for _, under := range mountedUnder {
			if strings.HasPrefix(path, under) {
				if p, ok := stickPlace(path); ok {
					all = append(all, p)
				}
				break
			}
		}
	}
	return all
}
