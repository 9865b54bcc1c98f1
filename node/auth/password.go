package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/vungxa/vungxa/node"
)

// Limits of a password: characters at least, bytes at most.
const (
	MinPassword = 8
	MaxPassword = 256
)

// MaxQueue is how many sign-ins wait for their turn; one more is refused.
const MaxQueue = 8

const (
	saltBytes = 16
	hashBytes = 32
)

// cost is what one argon2id costs: KiB, passes, lanes.
type cost struct {
	memoryKiB, passes uint32
	lanes             uint8
}

var newCost = cost{memoryKiB: 64 << 10, passes: 3, lanes: 1}

// gate lets one argon2 run at a time: 64 MiB and a core, not a hundred times that.
type gate struct {
	turn   chan struct{} // held while one runs
	queue  chan struct{} // held while one runs or waits
	derive func(password, salt []byte, c cost) []byte
}

func newGate() *gate {
	return &gate{turn: make(chan struct{}, 1), queue: make(chan struct{}, 1+MaxQueue), derive: argon2id}
}

func argon2id(password, salt []byte, c cost) []byte {
	return argon2.IDKey(password, salt, c.passes, c.memoryKiB, c.lanes, hashBytes)
}

// enter waits for the turn. Whoever enters calls leave.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.queue <- struct{}{}:
	default:
		return node.Errorf(node.Unavailable, "Quá nhiều người đăng nhập cùng lúc. Hãy thử lại sau ít giây.",
			"too many sign-ins at once; try again in a few seconds")
	}
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-g.queue
		return node.Errorf(node.Unavailable, "Yêu cầu đã bị bỏ: %w.", "the request was given up: %w", ctx.Err())
	}
}

func (g *gate) leave() { <-g.turn; <-g.queue }

// hash gives the PHC string of a password. The turn is held.
func (g *gate) hash(password string, salt []byte) string {
	sum := g.derive([]byte(password), salt, newCost)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, newCost.memoryKiB, newCost.passes, newCost.lanes, b64(salt), b64(sum))
}

// matches compares a password with a PHC string, at the same cost if there is
// none to compare with. The turn is held.
func (g *gate) matches(phc, password string) (bool, error) {
	if phc == "" {
		g.derive([]byte(password), make([]byte, saltBytes), newCost)
		return false, nil
	}
	c, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(g.derive([]byte(password), salt, c), want) == 1, nil
}

// parsePHC reads what hash writes, and what a later program with other costs
// might, within bounds that this machine can stand.
func parsePHC(phc string) (c cost, salt, sum []byte, err error) {
	damaged := node.Errorf(node.Damaged, "Mật khẩu đã lưu của cán bộ này không đọc được. Hãy báo người quản trị.",
		"the stored password of this officer can't be read; tell the administrator")
	part := strings.Split(phc, "$")
	if len(part) != 6 || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, damaged
	}
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &c.memoryKiB, &c.passes, &c.lanes); err != nil {
		return c, nil, nil, damaged
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(part[4])
	sum, sumErr := base64.RawStdEncoding.DecodeString(part[5])
	bounded := c.memoryKiB >= 8 && c.memoryKiB <= 256<<10 && c.passes >= 1 && c.passes <= 16 && c.lanes >= 1 && c.lanes <= 8
	if saltErr != nil || sumErr != nil || !bounded || len(sum) != hashBytes {
		return c, nil, nil, damaged
	}
	return c, salt, sum, nil
}

// checkPassword is what a new password must be. Input methods differ in how they
// compose Vietnamese letters, so passwords are NFC wherever they enter.
func checkPassword(password string) (string, error) {
	password = norm.NFC.String(password)
	if n := utf8.RuneCountInString(password); !utf8.ValidString(password) || n < MinPassword || len(password) > MaxPassword {
		return "", fieldError("password",
			fmt.Sprintf("Mật khẩu cần ít nhất %d ký tự và tối đa %d byte.", MinPassword, MaxPassword),
			fmt.Sprintf("A password has at least %d characters and at most %d bytes.", MinPassword, MaxPassword))
	}
	return password, nil
}

func fieldError(field, vi, en string) error {
	text := node.Text{VI: vi, EN: en}
	return &node.Error{Code: node.Invalid, Message: text, Fields: []node.FieldError{{Field: field, Message: text}}}
}
