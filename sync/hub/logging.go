package hub

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// newLogger gives raft a logger that writes to slog.
func newLogger(to *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard})
	l.RegisterSink(slogSink{to})
	return l
}

type slogSink struct{ to *slog.Logger }

// Accept takes a message of raft or of its log. None has anything personal in it:
// commands are never logged.
func (s slogSink) Accept(name string, level hclog.Level, msg string, args ...any) {
	s.to.With("of", name).Log(context.Background(), slogLevel(level), "raft: "+msg, args...)
}

// slogLevel passes on raft's errors as they are. What it warns of (an election
// that begins, at every start) is ordinary, and told as information.
func slogLevel(l hclog.Level) slog.Level {
	switch {
	case l >= hclog.Error:
		return slog.LevelError
	case l >= hclog.Info:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
