// Package frontend hands up the built web UI as a file system.
//
// The UI is one React program (src/), built by Vite into dist/. The build is
// not committed: dist/ holds only .gitkeep in a fresh clone, so that the embed
// below compiles before the first `npm run build`. A server that is handed
// Files checks for IndexFile and says that the UI is not built if it is absent.
package frontend

import (
	"embed"
	"io/fs"
)

// IndexFile is the page that every address outside /api/ answers with when no
// file of that name exists. It is absent until the UI is built.
const IndexFile = "index.html"

//go:embed all:dist
var dist embed.FS

// Files returns the UI's build with dist/ as its root. Files under assets/
// carry a content hash in their name and never change; every other file may.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		// fs.Sub refuses only a malformed path, and this one is a constant.
		panic(err)
	}
	return files
}
