//go:build !linux

package bench

import "os"

// allocated is what a file takes on the disk, in bytes.
func allocated(info os.FileInfo) float64 { return float64(info.Size()) }
