// Package auth knows who sits at this device.
//
// Officers of the device have a handle, a name and, once they chose one, a
// password. Only its argon2id hash (64 MiB, 3 passes, 1 lane) is kept, through
// Storage; it never enters a log. Everything else lives in memory and dies with
// the process:
//
//   - A one-time code is printed on the console and signs one officer in, once,
//     within CodeLifetime. Only its SHA-256 is kept.
//   - A session is two halves, neither enough alone: an id that travels in a
//     cookie, and a secret that travels in a header and lives in one browser tab.
//     Cookies ignore ports, so another program on this machine may receive or
//     plant the first half; it has no way to the second. Both are random, kept
//     as SHA-256 and compared in constant time. A session ends by sign-out, after
//     Idle without a request, after Absolute in any case, when its officer changes
//     the password, or when the officer opens more than MaxSessions.
//
// Guessing is answered in three steps: first a delay per source and per user,
// which grows; then a queue of MaxQueue for one argon2 at a time, so that a
// hundred sign-ins at once cost one core and 64 MiB; then a full hash for an
// unknown user too, so that time tells nothing. A right one-time code is asked
// for no delay: the console can't be locked out by someone who guesses.
//
// No message and no log line of this package names an officer.
package auth

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
)

// Limits of officers.
const (
	MaxOfficers = 200
	MaxHandle   = 32              // bytes of an id
	MaxName     = crdt.MaxOfficer // bytes of a name, which entries carry
)

// format is the number of the stored form; 0 makes no promise.
const format = 0

// Officer is someone who may sign in at this device.
type Officer struct {
	ID          string // handle: lower case letters, digits, ".", "-", "_"
	Name        string // as people write it, NFC
	PasswordSet bool
}

// Storage keeps the officers of the device, in one piece.
type Storage interface {
	// LoadOfficers is what was stored last; nil if nothing ever was.
	LoadOfficers() ([]byte, error)
	// StoreOfficers replaces it, and is durable on return.
	StoreOfficers([]byte) error
}

// Auth signs officers in and out. Its methods may be called from several
// goroutines.
type Auth struct {
	storage Storage
	now     func() time.Time
	gate    *gate

	mu       sync.Mutex // guards all below
	rand     io.Reader
	accounts []account // sorted by ID
	codes    map[digest]code
	sessions map[string]*Session // by tag
	pace     pacer
}

type account struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Hash string `json:"hash,omitempty"` // as hashPassword writes it; "" until one is chosen
}

type stored struct {
	Format   int       `json:"format"`
	Officers []account `json:"officers"`
}

// New reads the officers. now should carry the monotonic clock, as time.Now
// does: delays then don't depend on what the wall clock is set to.
func New(storage Storage, now func() time.Time, rand io.Reader) (*Auth, error) {
	a := &Auth{
		storage: storage, now: now, rand: rand, gate: newGate(),
		codes: map[digest]code{}, sessions: map[string]*Session{}, pace: pacer{},
	}
	b, err := storage.LoadOfficers()
	if err != nil || b == nil {
		return a, err
	}
	var s stored
	if err := json.Unmarshal(b, &s); err != nil || s.Format != format {
		return nil, node.Errorf(node.Damaged,
			"Danh sách cán bộ của máy này không đọc được (định dạng %d): %w. Hãy khôi phục từ bản sao lưu.",
			"the officers of this device can't be read (format %d): %w; restore them from a backup", s.Format, err)
	}
	a.accounts = s.Officers
	return a, nil
}

// Officers lists who may sign in, by handle.
func (a *Auth) Officers() []Officer {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Officer, len(a.accounts))
	for i, c := range a.accounts {
		list[i] = c.officer()
	}
	return list
}

// Put adds an officer, or renames the one of that handle.
func (a *Auth) Put(id, name string) error {
	name = norm.NFC.String(name)
	if err := checkOfficer(id, name); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i, ok := a.find(id)
	if ok && a.accounts[i].Name == name {
		return nil
	}
	next := slices.Clone(a.accounts)
	if ok {
		next[i].Name = name
	} else {
		next = slices.Insert(next, i, account{ID: id, Name: name})
	}
	if len(next) > MaxOfficers {
		return node.Errorf(node.TooLarge, "Một máy có tối đa %d cán bộ.", "a device has at most %d officers", MaxOfficers)
	}
	return a.store(next)
}

// Retain takes every officer away who is not in ids: their password, and what
// they are signed in with.
func (a *Auth) Retain(ids []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	gone := func(c account) bool { return !slices.Contains(ids, c.ID) }
	if !slices.ContainsFunc(a.accounts, gone) {
		return nil
	}
	if err := a.store(slices.DeleteFunc(slices.Clone(a.accounts), gone)); err != nil {
		return err
	}
	maps.DeleteFunc(a.codes, func(_ digest, c code) bool { return !slices.Contains(ids, c.officer) })
	for _, s := range a.sessions {
		if !slices.Contains(ids, s.Officer.ID) {
			a.end(s)
		}
	}
	return nil
}

func checkOfficer(id, name string) error {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	}
	if id == "" || len(id) > MaxHandle || slices.ContainsFunc([]rune(id), odd) {
		return node.Errorf(node.Invalid,
			"Tên đăng nhập gồm 1 đến %d chữ thường không dấu, chữ số, dấu chấm, gạch ngang hoặc gạch dưới.",
			"a handle is 1 to %d lower case letters, digits, dots, hyphens or underscores", MaxHandle)
	}
	if name == "" || len(name) > MaxName || !utf8.ValidString(name) || slices.ContainsFunc([]rune(name), unicode.IsControl) {
		return node.Errorf(node.Invalid, "Họ tên dài 1 đến %d byte và không có ký tự điều khiển.",
			"a name has 1 to %d bytes and no control characters", MaxName)
	}
	return nil
}

// store makes next the officers, on disk first. a.mu is held.
func (a *Auth) store(next []account) error {
	b, err := json.Marshal(stored{Format: format, Officers: next})
	if err != nil {
		return err
	}
	if err := a.storage.StoreOfficers(b); err != nil {
		return err
	}
	a.accounts = next
	return nil
}

// find is where id is, or would be. a.mu is held.
func (a *Auth) find(id string) (int, bool) {
	return slices.BinarySearchFunc(a.accounts, id, func(c account, id string) int { return strings.Compare(c.ID, id) })
}

func (c account) officer() Officer {
	return Officer{ID: c.ID, Name: c.Name, PasswordSet: c.Hash != ""}
}

// draw reads n random bytes. a.mu is held.
func (a *Auth) draw(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.rand, b); err != nil {
		return nil, node.Errorf(node.Internal, "Máy không cho số ngẫu nhiên: %w.", "the machine gives no random numbers: %w", err)
	}
	return b, nil
}
