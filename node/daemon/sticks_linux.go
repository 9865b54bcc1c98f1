package daemon

import (
	"os"
	"strings"

	"github.com/vungxa/vungxa/node/api"
)

// mounted says whether a mount point is where desktops and people mount what is
// plugged in: /media/USER/NAME, /media/NAME, /run/media/USER/NAME, /mnt, /mnt/NAME.
func mounted(path string) bool {
	for under, deepest := range map[string]int{"/media/": 2, "/run/media/": 2, "/mnt/": 1} {
		if rest, ok := strings.CutPrefix(path, under); ok && strings.Count(rest, "/") < deepest {
			return true
		}
	}
	return path == "/mnt"
}

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
		if !mounted(path) {
			continue
		}
		if p, ok := stickPlace(path); ok {
			all = append(all, p)
		}
	}
	return all
}
