package api

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/vungxa/vungxa/node"
)

const indexFile = "index.html"

// types are the page's files; the machine's own table may be wrong (on Windows it
// comes from the registry), and nosniff makes a wrong one fatal.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".webp": "image/webp",
	".woff2": "font/woff2", ".woff": "font/woff", ".json": "application/json", ".webmanifest": "application/manifest+json",
	".txt": "text/plain; charset=utf-8", ".map": "application/json",
}

// page serves the files of the UI, and its index for every other address: the
// page itself knows which screens there are.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.noSuchRoute(w, r)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	asset := strings.HasPrefix(name, "assets/")
	b, err := s.file(name)
	if errors.Is(err, fs.ErrNotExist) && !asset {
		name = indexFile
		b, err = s.file(name)
	}
	switch {
	case err == nil:
		s.send(w, r, name, asset, b)
	case asset:
		writeProblem(w, r, node.Errorf(node.NotFound, "Trang không có tệp này; hãy tải lại trang.", "the page has no such file; load it again"))
	default:
		writeProblem(w, r, node.Errorf(node.Unavailable,
			"Giao diện chưa được dựng trong bản này. Hãy chạy “make build” rồi khởi động lại.",
			"the page is not built into this program; run \"make build\" and start again"))
	}
}

// file reads a file of the UI. Names that begin with a dot are not the page's.
func (s *server) file(name string) ([]byte, error) {
	hidden := strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
	if s.UI == nil || hidden || types[path.Ext(name)] == "" || !fs.ValidPath(name) {
		return nil, fs.ErrNotExist
	}
	return fs.ReadFile(s.UI, name)
}

func (s *server) send(w http.ResponseWriter, r *http.Request, name string, asset bool, b []byte) {
	w.Header().Set("Content-Type", types[path.Ext(name)])
	switch {
	case asset: // its name holds a hash of its content
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	case name != indexFile:
		w.Header().Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}
