package daemon

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
)

// jobs are what the command line may have the running node do.
func (d *Daemon) jobs() map[string]api.Job {
	return map[string]api.Job{
		"backup": job(func(ctx context.Context, o BackupOrder, _ func(any) error) (BackupReport, error) {
			return d.Backup(ctx, o)
		}),
		"dump":   job(d.Dump),
		"signin": job(d.newSignIn),
		"bundle-export": job(func(ctx context.Context, o StickOrder, _ func(any) error) (api.StickSwapped, error) {
			return d.ExportStick(ctx, o)
		}),
		"bundle-import": job(func(ctx context.Context, o StickOrder, _ func(any) error) (api.StickSwapped, error) {
			return d.ImportStick(ctx, o)
		}),
		"bundle-inspect": job(func(ctx context.Context, o StickOrder, _ func(any) error) (api.StickContents, error) {
			return d.InspectStick(ctx, o.Path)
		}),
		"verify": job(func(ctx context.Context, _ struct{}, tell func(any) error) (Verified, error) {
			return d.Verify(ctx, func(f Finding) error { return tell(f) })
		}),
	}
}

// job is a job whose order is an O.
func job[O, R any](do func(context.Context, O, func(any) error) (R, error)) api.Job {
	return func(ctx context.Context, order json.RawMessage, tell func(any) error) (any, error) {
		var o O
		if err := json.Unmarshal(order, &o); err != nil {
			return nil, node.Errorf(node.Invalid, "Lệnh gửi tới không đọc được: %w. Có lẽ hai phiên bản chương trình khác nhau.",
				"the order can't be read: %w; perhaps the programs differ in version", err)
		}
		return do(ctx, o, tell)
	}
}

// Running finds the node that runs on a directory; nil where none does. A directory
// that another command holds is an error.
func Running(dir string) (*Control, error) {
	if _, err := ReadConfig(dir); err != nil {
		return nil, err // before a lock file makes a directory of a mistyped name
	}
	unlock, held := Lock(dir)
	if held == nil {
		return nil, unlock()
	}
	c, err := ReadControl(dir)
	if err != nil || c == nil {
		return nil, errors.Join(held, err)
	}
	return c, nil
}
