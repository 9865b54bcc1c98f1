package daemon

import (
	"context"
	"time"

	"github.com/vungxa/vungxa/node/engine"
)

// compact drops, behind the office, entries that every device has acknowledged and that
// are older than the configured retention. A store that has just been read without an
// error is compacted, and no other; a province keeps everything.
func (d *Daemon) compact(ctx context.Context) {
	retention := engine.Retention
	if days := d.self.config.RetentionDays; days > 0 {
		retention = time.Duration(days) * 24 * time.Hour
	}
	dropped, err := d.engine.Compact(ctx, retention, rest)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		d.opts.Log.Error("old entries can't be compacted", "error", err)
	case dropped > 0:
		d.opts.Log.Info("old entries were compacted", "entries", dropped)
	}
}
