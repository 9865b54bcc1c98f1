package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/vungxa/vungxa/node"
)

// ServeHTTP lets a request in, or says why not.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w}
	begun := s.Now()
	defer func() {
		if fault := recover(); fault != nil {
			s.fault(rec, r, fault)
		}
		s.Log.Debug("request", "method", knownMethod(r.Method), "route", r.Pattern, "status", rec.status, "ms", s.Now().Sub(begun).Milliseconds())
	}()
	harden(rec.Header())
	if err := s.admit(r); err != nil {
		s.Log.Warn("a request was refused at the door", "method", knownMethod(r.Method), "reason", err)
		writeProblem(rec, r, err)
		return
	}
	s.mux.ServeHTTP(rec, r)
}

// knownMethod keeps what a client made up out of the log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// admit is what every request has to pass, whatever it asks for.
func (s *server) admit(r *http.Request) error {
	if !s.hosts[r.Host] {
		return node.Errorf(node.Forbidden,
			"Địa chỉ trên thanh trình duyệt không phải địa chỉ của máy này. Hãy mở đúng địa chỉ mà chương trình in ra.",
			"the address in the browser is not one of this node; open the one that the program prints")
	}
	if fromElsewhere(r) {
		return node.Errorf(node.Forbidden, "Yêu cầu do trang của một địa chỉ khác gửi đến nên bị từ chối.",
			"the request was caused by another site's page")
	}
	return nil
}

// fromElsewhere says whether a page of another origin caused the request. Reading
// the interface counts too: it needs the header secret anyway, but what no other
// page may ask, it may not even try. A page of ours may be linked to from anywhere.
//
// http.CrossOriginProtection would pass every GET, so it isn't enough here. Who
// sends neither header is no browser, or an old one; the header secret, which a
// foreign page can't add without CORS, then stands alone.
func fromElsewhere(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads && !strings.HasPrefix(r.URL.Path, "/api/") {
		return false
	}
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site != "" && site != "same-origin" && site != "none" {
		return true
	}
	return origin != "" && origin != "http://"+r.Host
}

// policy is the Content-Security-Policy. Mantine writes style elements.
const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func harden(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// fault answers for a panic and logs where it happened. Of the panic's value only
// what the runtime made is logged: another may hold what someone typed.
func (s *server) fault(w *recorder, r *http.Request, fault any) {
	if fault == http.ErrAbortHandler {
		panic(fault)
	}
	what := fmt.Sprintf("%T", fault)
	var fromRuntime runtime.Error
	if err, ok := fault.(error); ok && errors.As(err, &fromRuntime) {
		what = fromRuntime.Error()
	}
	s.Log.Error("a request panicked", "route", r.Pattern, "fault", what, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	writeProblem(w, r, node.Errorf(node.Internal, "", ""))
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Times and sizes of a connection. Event streams set their own deadlines.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 60 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// Server makes the HTTP server for a handler. It bounds how long headers, bodies
// and answers may take, and answers nothing past the handler.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, // it would answer "OPTIONS *" for any Host
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
