package store

import "path/filepath"

// There says whether a directory holds a store, or one that was about to take its
// place: damaged or not, of any format. It changes nothing. Badger's files alone,
// without CURRENT and heads, are none that Open would know.
func There(dir string) bool {
	dir = filepath.Clean(dir)
	return exists(filepath.Join(dir, fileCurrent)) || exists(filepath.Join(dir, fileHeads)) ||
		exists(filepath.Join(dir, "MANIFEST")) || exists(filepath.Join(dir+nextSuffix, fileReady))
}
