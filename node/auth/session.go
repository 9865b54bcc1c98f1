package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/vungxa/vungxa/node"
)

// How long a session lasts: Idle without a request, Absolute in any case.
const (
	Idle     = 2 * time.Hour
	Absolute = 12 * time.Hour
)

// MaxSessions is how many sessions an officer may have; one more ends the one
// unused for longest.
const MaxSessions = 8

const (
	tagBytes    = 6
	secretBytes = 32
)

// Proof is what a browser tab holds of a session. Tag names the session and is
// no secret; Cookie and Secret are the two halves.
type Proof struct {
	Tag, Cookie, Secret string
}

// Session is an officer, signed in.
type Session struct {
	Officer Officer // as of the sign-in
	Tag     string

	cookie, secret digest
	begun          time.Time
	used           time.Time // guarded by Auth.mu
	done           chan struct{}
}

// Done is closed when the session ends, but for its lifetimes: those are judged
// by Check and Live.
func (s *Session) Done() <-chan struct{} { return s.done }

// open begins a session with new halves, whatever the browser held before. a.mu is held.
func (a *Auth) open(c account) (*Session, Proof, error) {
	b, err := a.draw(tagBytes + 2*secretBytes)
	if err != nil {
		return nil, Proof{}, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	p := Proof{
		Tag:    hex.EncodeToString(b[:tagBytes]),
		Cookie: b64(b[tagBytes : tagBytes+secretBytes]),
		Secret: b64(b[tagBytes+secretBytes:]),
	}
	now := a.now()
	s := &Session{
		Officer: c.officer(), Tag: p.Tag, begun: now, used: now, done: make(chan struct{}),
		cookie: sha256.Sum256([]byte(p.Cookie)), secret: sha256.Sum256([]byte(p.Secret)),
	}
	a.bound(c.ID)
	a.sessions[s.Tag] = s
	return s, p, nil
}

// bound makes room for one more session of an officer, and drops everyone's
// that are over. a.mu is held.
func (a *Auth) bound(officer string) {
	var oldest *Session
	n := 0
	for _, s := range a.sessions {
		if !a.lives(s) {
			a.end(s)
			continue
		}
		if s.Officer.ID != officer {
			continue
		}
		n++
		if oldest == nil || s.used.Before(oldest.used) {
			oldest = s
		}
	}
	if n >= MaxSessions {
		a.end(oldest)
	}
}

// Check is the session that both halves prove, and counts as its use.
func (a *Auth) Check(p Proof) (*Session, error) {
	cookie, secret := sha256.Sum256([]byte(p.Cookie)), sha256.Sum256([]byte(p.Secret))
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sessions[p.Tag]
	if !ok || subtle.ConstantTimeCompare(s.cookie[:], cookie[:])&subtle.ConstantTimeCompare(s.secret[:], secret[:]) != 1 {
		return nil, noSession()
	}
	if !a.lives(s) {
		a.end(s)
		return nil, noSession()
	}
	s.used = a.now()
	return s, nil
}

func noSession() error {
	return node.Errorf(node.Unauthenticated, "Chưa đăng nhập, hoặc phiên làm việc đã hết. Hãy đăng nhập lại.",
		"not signed in, or the session is over; sign in again")
}

// Live says whether the session still lasts, without using it.
func (a *Auth) Live(s *Session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions[s.Tag] == s && a.lives(s)
}

// Known says whether a tag names a session that lasts. It proves nothing.
func (a *Auth) Known(tag string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sessions[tag]
	return ok && a.lives(s)
}

// SignOut ends a session.
func (a *Auth) SignOut(s *Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[s.Tag] == s {
		a.end(s)
	}
}

// Officer is the session's officer as of now.
func (a *Auth) Officer(s *Session) Officer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i, ok := a.find(s.Officer.ID); ok {
		return a.accounts[i].officer()
	}
	return s.Officer
}

func (a *Auth) end(s *Session) {
	delete(a.sessions, s.Tag)
	close(s.done)
}

func (a *Auth) lives(s *Session) bool {
	now := a.now()
	return elapsed(now, s.used) <= Idle && elapsed(now, s.begun) <= Absolute
}

// elapsed is the longer of what the monotonic and the wall clock say: the first
// stands still while a laptop sleeps, the second may be set back.
func elapsed(now, then time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}
