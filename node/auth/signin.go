package auth

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/vungxa/vungxa/node"
)

// CodeLifetime is how long a one-time code can be used.
const CodeLifetime = 24 * time.Hour

// MaxCodes is how many unused codes an officer may have; one more ends the oldest.
const MaxCodes = 4

const codeSymbols = 12 // of 5 bits each

// alphabet is Crockford's base 32: no letter is mistaken for another.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

type digest [sha256.Size]byte

type code struct {
	officer string
	made    time.Time
}

// NewCode makes a one-time code for an officer: three groups of four symbols.
func (a *Auth) NewCode(officer string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.find(officer); !ok {
		return "", node.Errorf(node.NotFound, "Máy này không có cán bộ đó.", "this device has no such officer")
	}
	b, err := a.draw(codeSymbols)
	if err != nil {
		return "", err
	}
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	a.dropCodes(officer, MaxCodes-1)
	a.codes[sha256.Sum256(b)] = code{officer, a.now()}
	return string(b[:4]) + "-" + string(b[4:8]) + "-" + string(b[8:]), nil
}

// dropCodes keeps the newest of an officer's codes. a.mu is held.
func (a *Auth) dropCodes(officer string, keep int) {
	for {
		var oldest digest
		n := 0
		for d, c := range a.codes {
			if c.officer != officer {
				continue
			}
			if n++; n == 1 || c.made.Before(a.codes[oldest].made) {
				oldest = d
			}
		}
		if n <= keep {
			return
		}
		delete(a.codes, oldest)
	}
}

// asMeant undoes what people do to a code they copy by hand.
var asMeant = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1")

// SignInByCode uses up a code. A right code is never delayed; source is where
// the request came from.
func (a *Auth) SignInByCode(source, typed string) (*Session, Proof, error) {
	d := digest(sha256.Sum256([]byte(asMeant.Replace(strings.ToUpper(typed)))))
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.codes[d]
	delete(a.codes, d)
	if i, known := a.find(c.officer); ok && known && elapsed(a.now(), c.made) <= CodeLifetime {
		return a.open(a.accounts[i])
	}
	if wait := a.pace.enter(a.now(), mark{byCode, source}); wait > 0 {
		return nil, Proof{}, &Delayed{wait}
	}
	return nil, Proof{}, node.Errorf(node.Unauthenticated,
		"Mã đăng nhập không đúng, đã dùng, hoặc đã hết hạn. Hãy lấy mã mới ở máy đang chạy chương trình: `vungxa signin --dir THƯ_MỤC`.",
		"the sign-in code is wrong, used up or too old; get a new one at the machine that runs the program: `vungxa signin --dir DIR`")
}

// SignInByPassword checks a password; source is where the request came from. An
// unknown officer, and one without a password, are refused in the same words
// and at the same cost as a wrong password.
func (a *Auth) SignInByPassword(ctx context.Context, source, officer, password string) (*Session, Proof, error) {
	marks := []mark{{bySource, source}}
	if len(officer) <= MaxHandle {
		marks = append(marks, mark{byUser, officer})
	}
	hash, err := a.tryPassword(marks, officer)
	if err != nil {
		return nil, Proof{}, err
	}
	ok, err := a.verify(ctx, hash, password)
	a.mu.Lock()
	defer a.mu.Unlock()
	i, known := a.find(officer)
	switch {
	case err != nil:
		a.pace.undo(marks...)
		return nil, Proof{}, err
	case !ok || !known || a.accounts[i].Hash != hash: // it may have changed in between
		return nil, Proof{}, node.Errorf(node.Unauthenticated, "Tên đăng nhập hoặc mật khẩu không đúng.", "the officer or the password is wrong")
	}
	a.pace.undo(marks...)
	delete(a.pace, mark{byUser, officer})
	return a.open(a.accounts[i])
}

// tryPassword counts a try and gives the hash to compare with, "" if there is none.
func (a *Auth) tryPassword(marks []mark, officer string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait := a.pace.enter(a.now(), marks...); wait > 0 {
		return "", &Delayed{wait}
	}
	if i, ok := a.find(officer); ok {
		return a.accounts[i].Hash, nil
	}
	return "", nil
}

func (a *Auth) verify(ctx context.Context, hash, password string) (bool, error) {
	if len(password) > MaxPassword {
		password = "" // never right; and no one makes this machine hash a megabyte
	}
	if err := a.gate.enter(ctx); err != nil {
		return false, err
	}
	defer a.gate.leave()
	return a.gate.matches(hash, norm.NFC.String(password))
}

// SetPassword gives the session's officer a password. Who has one must know it:
// current. The officer's other sessions and unused codes end.
func (a *Auth) SetPassword(ctx context.Context, s *Session, password, current string) error {
	password, err := checkPassword(password)
	if err != nil {
		return err
	}
	user := mark{byUser, s.Officer.ID}
	old, err := a.tryPassword([]mark{user}, s.Officer.ID)
	if err != nil {
		return err
	}
	if old != "" {
		ok, err := a.verify(ctx, old, current)
		if err == nil && !ok {
			return fieldError("current", "Mật khẩu hiện tại không đúng.", "The current password is wrong.")
		}
		if err != nil {
			a.undo(user)
			return err
		}
	}
	a.undo(user)
	return a.replace(ctx, s, old, password)
}

func (a *Auth) undo(m mark) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pace.undo(m)
}

func (a *Auth) replace(ctx context.Context, s *Session, old, password string) error {
	hash, err := a.newHash(ctx, password)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i, ok := a.find(s.Officer.ID)
	if !ok || a.sessions[s.Tag] != s || a.accounts[i].Hash != old {
		return node.Errorf(node.Conflict, "Mật khẩu vừa được đổi ở nơi khác. Hãy đăng nhập lại.", "the password was changed elsewhere just now; sign in again")
	}
	next := slices.Clone(a.accounts)
	next[i].Hash = hash
	if err := a.store(next); err != nil {
		return err
	}
	for _, other := range a.sessions {
		if other.Officer.ID == s.Officer.ID && other != s {
			a.end(other)
		}
	}
	a.dropCodes(s.Officer.ID, 0)
	return nil
}

func (a *Auth) newHash(ctx context.Context, password string) (string, error) {
	a.mu.Lock()
	salt, err := a.draw(saltBytes)
	a.mu.Unlock()
	if err != nil {
		return "", err
	}
	if err := a.gate.enter(ctx); err != nil {
		return "", err
	}
	defer a.gate.leave()
	return a.gate.hash(password, salt), nil
}
