package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node"
)

func TestBothHalvesAreNeeded(t *testing.T) {
	d := newDesk(t)
	_, lan := d.signIn("lan")
	_, hung := d.signIn("hung")
	if _, err := d.Check(lan); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]Proof{
		"no cookie":      {Tag: lan.Tag, Secret: lan.Secret},
		"no secret":      {Tag: lan.Tag, Cookie: lan.Cookie},
		"nothing":        {},
		"other's cookie": {lan.Tag, hung.Cookie, lan.Secret},
		"other's secret": {lan.Tag, lan.Cookie, hung.Secret},
		"other's tag":    {hung.Tag, lan.Cookie, lan.Secret},
		"halves swapped": {lan.Tag, lan.Secret, lan.Cookie},
	} {
		if _, err := d.Check(p); node.CodeOf(err) != node.Unauthenticated {
			t.Errorf("%s: %v; want unauthenticated", name, err)
		}
	}
	if lan.Cookie == lan.Secret || len(lan.Cookie) < 43 || len(lan.Secret) < 43 {
		t.Errorf("the halves are equal or short: %v", lan)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		d := newDesk(t)
		s, p := d.signIn("lan")
		d.clock = d.clock.Add(Idle)
		_, err := d.Check(p)
		d.must(err)
		d.clock = d.clock.Add(Idle)
		if !d.Live(s) || !d.Known(p.Tag) {
			t.Error("over before its time")
		}
		d.clock = d.clock.Add(1)
		if d.Live(s) || d.Known(p.Tag) {
			t.Error("looking at a session kept it alive")
		}
		_, err = d.Check(p)
		d.wants(node.Unauthenticated, err)
		<-s.Done()
	})
	t.Run("absolute", func(t *testing.T) {
		d := newDesk(t)
		_, p := d.signIn("lan")
		for range Absolute / time.Hour {
			d.clock = d.clock.Add(time.Hour)
			_, err := d.Check(p)
			d.must(err)
		}
		d.clock = d.clock.Add(1)
		_, err := d.Check(p)
		d.wants(node.Unauthenticated, err)
	})
	t.Run("sign-out", func(t *testing.T) {
		d := newDesk(t)
		s, p := d.signIn("lan")
		d.SignOut(s)
		d.SignOut(s)
		<-s.Done()
		_, err := d.Check(p)
		d.wants(node.Unauthenticated, err)
	})
	t.Run("surplus", func(t *testing.T) {
		d := newDesk(t)
		_, first := d.signIn("lan")
		_, other := d.signIn("hung")
		for range MaxSessions {
			d.clock = d.clock.Add(time.Second)
			d.signIn("lan")
		}
		_, err := d.Check(first)
		d.wants(node.Unauthenticated, err)
		_, err = d.Check(other)
		d.must(err)
		if len(d.sessions) != MaxSessions+1 {
			t.Errorf("%d sessions; want %d", len(d.sessions), MaxSessions+1)
		}
	})
	t.Run("asleep", func(t *testing.T) {
		then := time.Now()
		// The wall clock went on by a night; the monotonic one stood still.
		if got := elapsed(then.Round(0).Add(9*time.Hour), then); got < 9*time.Hour {
			t.Errorf("a night asleep counts as %v", got)
		}
	})
}

func TestChangingThePassword(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	s, p := d.signIn("lan")
	_, other := d.signIn("lan")
	_, hung := d.signIn("hung")
	code, err := d.NewCode("lan")
	d.must(err)

	for _, bad := range []string{"", "ngắn", strings.Repeat("x", MaxPassword+1)} {
		d.wants(node.Invalid, d.SetPassword(ctx, s, bad, ""))
	}
	d.must(d.SetPassword(ctx, s, "một mật khẩu", ""))
	if !d.Officer(s).PasswordSet {
		t.Error("no password set")
	}
	_, err = d.Check(p)
	d.must(err)
	_, err = d.Check(hung)
	d.must(err)
	_, err = d.Check(other)
	d.wants(node.Unauthenticated, err)
	_, _, err = d.SignInByCode("s", code)
	d.wants(node.Unauthenticated, err)

	err = d.SetPassword(ctx, s, "mật khẩu khác", "sai sai sai")
	d.wants(node.Invalid, err)
	var wrong *node.Error
	if !errors.As(err, &wrong) || len(wrong.Fields) != 1 || wrong.Fields[0].Field != "current" {
		t.Errorf("error %v; want one that names the field", err)
	}
	d.must(d.SetPassword(ctx, s, "mật khẩu khác", "một mật khẩu"))
	d.wants(node.Unauthenticated, d.try("s", "lan", "một mật khẩu"))
	d.must(d.try("s", "lan", "mật khẩu khác"))

	for range steps[byUser].free {
		d.wants(node.Invalid, d.SetPassword(ctx, s, "mật khẩu nữa", "sai sai sai"))
	}
	d.wants(node.RateLimited, d.SetPassword(ctx, s, "mật khẩu nữa", "mật khẩu khác"))

	d.clock = d.clock.Add(time.Minute)
	d.SignOut(s)
	d.wants(node.Conflict, d.SetPassword(ctx, s, "mật khẩu nữa", "mật khẩu khác"))
}

// A password that is changed while the old one is being checked is not the old one.
func TestAPasswordChangedMeanwhile(t *testing.T) {
	d := newDesk(t)
	d.withPassword("lan", "một mật khẩu")
	derive := d.gate.derive
	d.gate.derive = func(password, salt []byte, c cost) []byte {
		d.mu.Lock()
		defer d.mu.Unlock()
		i, _ := d.find("lan")
		d.accounts[i].Hash = "another"
		return derive(password, salt, c)
	}
	d.wants(node.Unauthenticated, d.try("s", "lan", "một mật khẩu"))
}
