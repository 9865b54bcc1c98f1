package main

import (
	"os"
	"path/filepath"
	"strings"
)

// ownerOf is nothing: Windows tells of rights otherwise.
func ownerOf(os.FileInfo) string { return "" }

// sameDisk says whether two paths have one drive letter.
func sameDisk(a, b string) bool {
	x, err := filepath.Abs(a)
	if err != nil {
		return false
	}
	y, err := filepath.Abs(b)
	return err == nil && strings.EqualFold(filepath.VolumeName(x), filepath.VolumeName(y))
}
