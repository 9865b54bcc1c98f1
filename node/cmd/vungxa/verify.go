package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/backup"
)

type verifyCmd struct {
	Dir      string `type:"path" help:"The node's directory; the node may be running or not."`
	Backup   string `type:"existingdir" help:"A directory of backups to read as well, or instead."`
	Identity string `type:"existingfile" placeholder:"FILE" help:"The recovery key that opens the backups; without it, the node's own key does."`
	JSON     bool   `help:"Print one JSON object for each finding, and one at the end."`
	unlock
}

// errDamage is a verification that found something: it has been told, and a script
// learns it from the exit code.
var errDamage = errors.New("damage was found")

// Run reads everything and says what is wrong.
func (v verifyCmd) Run(ctx context.Context, c *console) error {
	if v.Dir == "" && v.Backup == "" {
		return node.Errorf(node.Invalid, "Hãy nói kiểm tra gì: --dir THƯ_MỤC, --backup THƯ_MỤC, hoặc cả hai.", "say what to verify: --dir DIR, --backup DIR, or both")
	}
	var sum daemon.Verified
	if v.Dir != "" {
		done, err := v.node(ctx, c)
		if err != nil {
			return err
		}
		sum = done
	}
	if v.Backup != "" {
		done, err := v.backups(ctx, c)
		if err != nil {
			return err
		}
		sum.Backups, sum.Findings = done.Backups, sum.Findings+done.Findings
	}
	return v.sum(c, sum)
}

func (v verifyCmd) sum(c *console, sum daemon.Verified) (err error) {
	if v.JSON {
		err = json.NewEncoder(c.out).Encode(sum)
	} else {
		c.say("Đã đọc %d mục, %d mục nhật ký, %d bản sao lưu.", "Read %d items, %d log entries, %d backups.", sum.Keys, sum.Entries, sum.Backups)
		if sum.Findings == 0 {
			c.say("Mọi thứ đúng như lúc ghi.", "Everything is as it was written.")
		} else {
			c.say("Có %d chỗ hỏng.", "%d things are wrong.", sum.Findings)
		}
	}
	if err == nil && sum.Findings > 0 {
		err = errDamage
	}
	return err
}

// alike is how many findings of one kind are told one by one to people, who have to do
// the same about all of them.
const alike = 8

func (v verifyCmd) tell(c *console) func(daemon.Finding) error {
	told := map[string]int{}
	return func(f daemon.Finding) error {
		if v.JSON {
			return json.NewEncoder(c.out).Encode(f)
		}
		kind := f.Part + " " + f.Kind
		switch told[kind]++; {
		case told[kind] == alike+1:
			c.say("- %s: … còn nữa; --json kể đủ từng chỗ.", "- %s: … and more; --json tells each.", kind)
			return nil
		case told[kind] > alike:
			return nil
		}
		_, err := fmt.Fprintf(c.out, "- %s %s %s: %s %s\n", f.Part, f.Kind, f.Place, c.text(f.What), c.text(f.Do))
		return err
	}
}

// node verifies a node's directory. A store that can't be opened is a finding.
func (v verifyCmd) node(ctx context.Context, c *console) (daemon.Verified, error) {
	tell := v.tell(c)
	at := atNode{ctx: ctx, console: c, dir: v.Dir, unlock: v.unlock, open: openToVerify(tell)}
	done, err := ask(at, "verify", struct{}{}, func(d *daemon.Daemon) (daemon.Verified, error) {
		return d.Verify(ctx, tell)
	}, func(line json.RawMessage) error {
		var f daemon.Finding
		if err := json.Unmarshal(line, &f); err != nil {
			return err
		}
		return tell(f)
	})
	if finding := daemon.Unopened(err); finding != nil {
		done.Findings++
		err = tell(*finding)
	}
	return done, err
}

// openToVerify opens a node with its records, or where those can't be, tells so and
// opens its store alone.
func openToVerify(tell func(daemon.Finding) error) func(string, daemon.Options) (*daemon.Daemon, error) {
	return func(dir string, o daemon.Options) (*daemon.Daemon, error) {
		d, err := daemon.OpenStored(dir, o)
		if finding := daemon.Unopened(err); finding != nil {
			d, storeErr := daemon.OpenStore(dir, o)
			if storeErr != nil {
				return nil, err
			}
			return d, tell(*finding)
		}
		return d, err
	}
}

// backups verifies a set.
func (v verifyCmd) backups(ctx context.Context, c *console) (done daemon.Verified, err error) {
	who, err := v.who(c)
	if err != nil {
		return done, err
	}
	set, err := backup.Open(v.Backup, who...)
	if finding := daemon.Unopened(err); finding != nil {
		finding.Part, done.Findings = "backup", 1
		return done, v.tell(c)(*finding)
	}
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	return daemon.VerifyBackups(ctx, set, v.tell(c))
}

func (v verifyCmd) who(c *console) ([]age.Identity, error) {
	ask, keys := newAsker(c, v.PasswordStdin), ""
	if v.Identity == "" {
		keys = v.Dir
	}
	return identities(ask, v.unlock, v.Identity, keys)
}
