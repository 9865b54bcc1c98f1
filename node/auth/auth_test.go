package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/text/unicode/norm"

	"github.com/vungxa/vungxa/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is a Storage that can fail.
type disk struct {
	bytes []byte
	err   error
}

func (d *disk) LoadOfficers() ([]byte, error) { return d.bytes, d.err }

func (d *disk) StoreOfficers(b []byte) error {
	if d.err == nil {
		d.bytes = bytes.Clone(b)
	}
	return d.err
}

// desk is a device with two officers, a clock that stands still and a hash that
// costs nothing but is counted.
type desk struct {
	*Auth
	t      *testing.T
	disk   *disk
	clock  time.Time
	hashed []cost
}

func seeded() io.Reader { return rand.NewChaCha8([32]byte{7}) }

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, disk: &disk{}, clock: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)}
	a, err := New(d.disk, func() time.Time { return d.clock }, seeded())
	if err != nil {
		t.Fatal(err)
	}
	d.Auth = a
	a.gate.derive = func(password, salt []byte, c cost) []byte {
		d.hashed = append(d.hashed, c)
		return argon2id(password, salt, cost{memoryKiB: 8, passes: 1, lanes: 1})
	}
	d.must(a.Put("lan", "Nguyễn Thị Lan"))
	d.must(a.Put("hung", "Trần Văn Hùng"))
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) wants(code node.Code, err error) {
	d.t.Helper()
	if err == nil || node.CodeOf(err) != code {
		d.t.Fatalf("error %v; want code %s", err, code)
	}
}

func (d *desk) signIn(officer string) (*Session, Proof) {
	d.t.Helper()
	code, err := d.NewCode(officer)
	d.must(err)
	s, p, err := d.SignInByCode("console", code)
	d.must(err)
	return s, p
}

func (d *desk) withPassword(officer, password string) (*Session, Proof) {
	d.t.Helper()
	s, p := d.signIn(officer)
	d.must(d.SetPassword(context.Background(), s, password, ""))
	return s, p
}

func (d *desk) try(source, officer, password string) error {
	_, _, err := d.SignInByPassword(context.Background(), source, officer, password)
	return err
}

func TestPasswordByRealArgon2(t *testing.T) {
	d := newDesk(t)
	d.gate.derive = argon2id
	d.withPassword("lan", "Đồng Hỷ mùa lúa")
	if !bytes.Contains(d.disk.bytes, []byte("$argon2id$v=19$m=65536,t=3,p=1$")) {
		t.Errorf("stored %s; want argon2id of 64 MiB, 3 passes", d.disk.bytes)
	}
	if bytes.Contains(d.disk.bytes, []byte("lúa")) {
		t.Error("the password itself is on the disk")
	}
	d.must(d.try("s", "lan", norm.NFD.String("Đồng Hỷ mùa lúa")))
	d.wants(node.Unauthenticated, d.try("s", "lan", "Đồng Hỷ mùa lua"))
}

func TestOfficersSurviveARestart(t *testing.T) {
	d := newDesk(t)
	d.withPassword("lan", "một mật khẩu")
	again, err := New(d.disk, d.now, seeded())
	d.must(err)
	want := []Officer{{"hung", "Trần Văn Hùng", false}, {"lan", "Nguyễn Thị Lan", true}}
	if got := again.Officers(); !slices.Equal(got, want) {
		t.Errorf("officers %v; want %v", got, want)
	}
	if len(again.sessions)+len(again.codes) != 0 {
		t.Error("sessions or codes outlived the process")
	}
}

func TestDamagedOfficersAreNotTakenForNone(t *testing.T) {
	for _, b := range []string{`{"format":0,"officers":[`, `{"format":9}`, ``} {
		_, err := New(&disk{bytes: []byte(b)}, time.Now, seeded())
		if node.CodeOf(err) != node.Damaged {
			t.Errorf("%q: error %v; want damaged", b, err)
		}
	}
}

func TestAFailedStoreChangesNothing(t *testing.T) {
	d := newDesk(t)
	s, _ := d.signIn("lan")
	_, other := d.signIn("lan")
	d.disk.err = errors.New("no space left")
	if err := d.SetPassword(context.Background(), s, "một mật khẩu", ""); !errors.Is(err, d.disk.err) {
		t.Fatalf("error %v; want the disk's", err)
	}
	if err := d.Put("moi", "Người Mới"); !errors.Is(err, d.disk.err) {
		t.Fatalf("error %v; want the disk's", err)
	}
	if d.Officer(s).PasswordSet || len(d.Officers()) != 2 {
		t.Error("what could not be stored is believed")
	}
	_, err := d.Check(other)
	d.must(err)
}

func TestOfficersAreHeldToTheirForm(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct{ id, name string }{
		{"", "Lan"}, {"Lan", "Lan"}, {"lan\x00", "Lan"}, {strings.Repeat("a", MaxHandle+1), "Lan"},
		{"lan", ""}, {"lan", "La\nn"}, {"lan", "\xff"}, {"lan", strings.Repeat("ă", MaxName)},
	} {
		d.wants(node.Invalid, d.Put(c.id, c.name))
	}
	for i := len(d.Officers()); i < MaxOfficers; i++ {
		d.must(d.Put(fmt.Sprintf("o%d", i), "Cán bộ"))
	}
	d.wants(node.TooLarge, d.Put("surplus", "Cán bộ"))
	d.must(d.Put("lan", norm.NFD.String("Nguyễn Thị Lan Anh")))
	i, _ := d.find("lan")
	if d.accounts[i].Name != "Nguyễn Thị Lan Anh" {
		t.Errorf("name %q is not composed", d.accounts[i].Name)
	}
}

func TestEveryRefusedPasswordCostsTheSame(t *testing.T) {
	d := newDesk(t)
	d.withPassword("lan", "một mật khẩu")
	texts := map[string]bool{}
	for i, c := range []struct{ officer, password string }{
		{"lan", "sai mật khẩu"}, {"hung", "chưa đặt"}, {"nobody", "không ai"},
		{strings.Repeat("x", 4000), "dài"}, {"lan", strings.Repeat("x", 1<<20)},
	} {
		d.hashed = nil
		err := d.try(fmt.Sprint("source", i), c.officer, c.password)
		d.wants(node.Unauthenticated, err)
		texts[err.Error()] = true
		if len(d.hashed) != 1 || d.hashed[0] != newCost {
			t.Errorf("case %d cost %v; want one hash of %v", i, d.hashed, newCost)
		}
	}
	if len(texts) != 1 {
		t.Errorf("the words tell the cases apart: %v", texts)
	}
}

// A hundred sign-ins at once, each from its own source for its own user, so that
// no delay helps: one argon2 at a time, a short queue, the rest refused.
func TestAHundredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var running, most, total atomic.Int32
		release := make(chan struct{})
		d.gate.derive = func(_, _ []byte, _ cost) []byte {
			total.Add(1)
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
			return make([]byte, hashBytes)
		}
		answers := make(chan error, 100)
		for i := range 100 {
			go func() { answers <- d.try(fmt.Sprint("source", i), fmt.Sprint("user", i), "đoán mò thôi") }()
		}
		synctest.Wait()
		close(release)
		got := map[node.Code]int{}
		for range 100 {
			got[node.CodeOf(<-answers)]++
		}
		if most.Load() != 1 || total.Load() != 1+MaxQueue {
			t.Errorf("%d hashes at once and %d in all; want 1 and %d", most.Load(), total.Load(), 1+MaxQueue)
		}
		if got[node.Unavailable] != 100-1-MaxQueue || got[node.Unauthenticated] != 1+MaxQueue {
			t.Errorf("answers %v", got)
		}
	})
}

func TestAHundredAtOnceForOneUser(t *testing.T) {
	d := newDesk(t)
	d.withPassword("lan", "một mật khẩu")
	d.hashed = nil
	got := map[node.Code]int{}
	for i := range 100 {
		got[node.CodeOf(d.try(fmt.Sprint("source", i), "lan", "đoán mò thôi"))]++
	}
	if len(d.hashed) != steps[byUser].free || got[node.RateLimited] != 100-steps[byUser].free {
		t.Errorf("%d hashes, answers %v; want %d judged", len(d.hashed), got, steps[byUser].free)
	}
}

func TestWhoGivesUpFreesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		release := make(chan struct{})
		d.gate.derive = func(_, _ []byte, _ cost) []byte { <-release; return nil }
		first := make(chan error)
		go func() { first <- d.try("s1", "lan", "mật khẩu một") }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		second := make(chan error)
		go func() {
			_, _, err := d.SignInByPassword(ctx, "s2", "hung", "mật khẩu hai")
			second <- err
		}()
		synctest.Wait()
		cancel()
		d.wants(node.Unavailable, <-second)
		if len(d.gate.queue) != 1 {
			t.Errorf("%d places taken; want 1", len(d.gate.queue))
		}
		if _, ok := d.pace[mark{byUser, "hung"}]; ok {
			t.Error("a try that was never judged was counted")
		}
		close(release)
		d.wants(node.Unauthenticated, <-first)
	})
}

func TestDelaysGrow(t *testing.T) {
	d := newDesk(t)
	d.withPassword("lan", "một mật khẩu")
	for range steps[byUser].free {
		d.wants(node.Unauthenticated, d.try("s", "lan", "sai sai sai"))
	}
	for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		err := d.try("elsewhere", "lan", "một mật khẩu")
		var late *Delayed
		if !errors.As(err, &late) || late.Seconds() != want || node.CodeOf(err) != node.RateLimited {
			t.Fatalf("error %v; want a delay of %d s, for the right password too", err, want)
		}
		d.clock = d.clock.Add(late.Wait)
		d.wants(node.Unauthenticated, d.try(fmt.Sprint("s", want, d.clock), "lan", "sai sai sai"))
	}
	d.clock = d.clock.Add(steps[byUser].most)
	d.must(d.try("s", "lan", "một mật khẩu"))
	d.wants(node.Unauthenticated, d.try("s", "lan", "sai sai sai"))
}

func TestASourceIsDelayedWhateverUserItNames(t *testing.T) {
	d := newDesk(t)
	for i := range steps[bySource].free {
		d.wants(node.Unauthenticated, d.try("one", fmt.Sprint("user", i), "đoán mò thôi"))
	}
	d.wants(node.RateLimited, d.try("one", "another", "đoán mò thôi"))
	d.wants(node.Unauthenticated, d.try("two", "another", "đoán mò thôi"))
}

// Someone with an account of their own gains no guesses by signing in between.
func TestOwnSignInsDontClearTheSource(t *testing.T) {
	d := newDesk(t)
	d.withPassword("hung", "của tôi đấy")
	judged := 0
	for i := range 60 {
		if node.CodeOf(d.try("one", fmt.Sprint("victim", i), "đoán mò thôi")) == node.Unauthenticated {
			judged++
		}
		_ = d.try("one", "hung", "của tôi đấy") // refused or not
	}
	if judged > steps[bySource].free {
		t.Errorf("%d guesses judged; want at most %d", judged, steps[bySource].free)
	}
}

func TestAnHourOfHammering(t *testing.T) {
	d := newDesk(t)
	d.withPassword("lan", "một mật khẩu")
	judged := 0
	for i := range 3600 {
		d.clock = d.clock.Add(time.Second)
		if node.CodeOf(d.try(fmt.Sprint("s", i), "lan", "sai sai sai")) == node.Unauthenticated {
			judged++
		}
	}
	if judged > 24 {
		t.Errorf("%d guesses in an hour; want at most 24", judged)
	}
	if len(d.pace) > maxPaced {
		t.Errorf("%d sources and users remembered; want at most %d", len(d.pace), maxPaced)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	p, now := pacer{}, time.Unix(0, 0)
	source := func(i int) mark { return mark{bySource, fmt.Sprint(i)} }
	for i := range 3 * maxPaced {
		p.enter(now.Add(time.Duration(i)*time.Millisecond), source(i))
		if len(p) > maxPaced {
			t.Fatalf("%d remembered; want at most %d", len(p), maxPaced)
		}
	}
	for i := 3*maxPaced - maxPaced/2; i < 3*maxPaced; i++ {
		if _, ok := p[source(i)]; !ok {
			t.Fatalf("source %d of %d was forgotten", i, 3*maxPaced)
		}
	}
}

func TestTheConsoleIsNeverLockedOut(t *testing.T) {
	d := newDesk(t)
	code, err := d.NewCode("lan")
	d.must(err)
	for range 200 {
		_, _, err := d.SignInByCode("127.0.0.1", "0000-0000-0000")
		if err == nil {
			t.Fatal("a guess was taken for a code")
		}
		_ = d.try("127.0.0.1", "lan", "đoán mò thôi") // refused, one way or another
	}
	_, _, err = d.SignInByCode("127.0.0.1", "0000-0000-0000")
	d.wants(node.RateLimited, err)
	_, _, err = d.SignInByCode("127.0.0.1", code)
	d.must(err)
}

func TestCodes(t *testing.T) {
	d := newDesk(t)
	_, err := d.NewCode("nobody")
	d.wants(node.NotFound, err)

	code, err := d.NewCode("lan")
	d.must(err)
	if len(code) != 14 || strings.Count(code, "-") != 2 {
		t.Errorf("code %q; want XXXX-XXXX-XXXX", code)
	}
	s, _, err := d.SignInByCode("s", " "+strings.ToLower(strings.ReplaceAll(code, "-", " ")))
	d.must(err)
	if s.Officer.ID != "lan" {
		t.Errorf("the code signed in %q", s.Officer.ID)
	}
	_, _, err = d.SignInByCode("s", code)
	d.wants(node.Unauthenticated, err)

	late, err := d.NewCode("lan")
	d.must(err)
	d.clock = d.clock.Add(CodeLifetime + 1)
	_, _, err = d.SignInByCode("s", late)
	d.wants(node.Unauthenticated, err)

	first, err := d.NewCode("lan")
	d.must(err)
	for range MaxCodes {
		d.clock = d.clock.Add(time.Second)
		_, err := d.NewCode("lan")
		d.must(err)
	}
	_, _, err = d.SignInByCode("s", first)
	d.wants(node.Unauthenticated, err)
	if len(d.codes) != MaxCodes {
		t.Errorf("%d codes kept; want %d", len(d.codes), MaxCodes)
	}
}

func TestCodesAreReadAsMeant(t *testing.T) {
	d := newDesk(t)
	d.codes[sha("01A1B2C3D0E1")] = code{"lan", d.clock}
	_, _, err := d.SignInByCode("s", "oia1-b2c3-dOeL")
	d.must(err)
}

func TestStoredHashesAreHeldToBounds(t *testing.T) {
	good := newDesk(t).gate.hash("một mật khẩu", make([]byte, saltBytes))
	if _, _, _, err := parsePHC(good); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"argon2id", "argon2i"}, {"v=19", "v=18"}, {"m=65536", "m=4294967295"}, {"m=65536", "m=1"},
		{"t=3", "t=0"}, {"t=3", "t=999"}, {"p=1", "p=0"}, {"p=1", "p=200"}, {"$AAAA", "$*AAA"}, {good[len(good)-4:], ""}, {good, ""},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if _, _, _, err := parsePHC(bad); node.CodeOf(err) != node.Damaged || bad == good {
			t.Errorf("%q: error %v; want damaged", bad, err)
		}
	}
}

func TestWithoutChanceNothingIsGiven(t *testing.T) {
	d := newDesk(t)
	code, err := d.NewCode("lan")
	d.must(err)
	d.rand = strings.NewReader("short")
	_, err = d.NewCode("lan")
	d.wants(node.Internal, err)
	_, _, err = d.SignInByCode("s", code)
	d.wants(node.Internal, err)
}

func sha(s string) digest { return digest(sha256.Sum256([]byte(s))) }

func TestRetainTakesTheOthersAway(t *testing.T) {
	d := newDesk(t)
	gone, proof := d.signIn("lan")
	stays, _ := d.signIn("hung")
	code, err := d.NewCode("lan")
	d.must(err)
	d.must(d.Retain([]string{"hung"}))
	if _, err := d.Check(proof); node.CodeOf(err) != node.Unauthenticated || d.Live(gone) || !d.Live(stays) {
		t.Errorf("the session of an officer taken away: %v", err)
	}
	if _, _, err := d.SignInByCode("console", code); err == nil {
		t.Error("a code of an officer taken away signs in")
	}
	again, err := New(d.disk, d.now, seeded())
	d.must(err)
	if got := again.Officers(); len(got) != 1 || got[0].ID != "hung" {
		t.Errorf("officers %v after a restart; want hung alone", got)
	}
}
