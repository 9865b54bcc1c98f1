package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// unlock are the flags by which a command opens a node's key file.
type unlock struct {
	KeyFile       string `type:"path" placeholder:"FILE" help:"The key file that opens the store, on a token or a stick." vi:"Tệp khóa mở kho, trên thiết bị giữ khóa hoặc USB."`
	KeyEnv        string `placeholder:"NAME" default:"VUNGXA_KEY" help:"The variable that holds the key; where it is not set, the systemd credential vungxa-key." vi:"Biến môi trường giữ khóa; không có thì systemd credential vungxa-key."`
	PasswordStdin bool   `help:"Read passwords from standard input, one a line, in the order in which they are asked for." vi:"Đọc mật khẩu từ đầu vào, mỗi dòng một mật khẩu, theo thứ tự được hỏi."`
}

// credential is the name of systemd's credential (LoadCredential=).
const credential = "vungxa-key"

// keyTextMax is more than any key in its written form, in bytes.
const keyTextMax = 4 << 10

// secrets are what the flags, the environment and, where a password is wanted, the
// person at the terminal give.
func (u unlock) secrets(ask *asker, dir string) (secrets []keyring.Secret, err error) {
	if u.KeyFile != "" {
		s, err := readKeyFile(u.KeyFile)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	text, err := u.environment()
	if err != nil {
		return nil, err
	}
	if text != "" {
		s, err := keyring.KeySecret(keyring.Environment, text)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	p, err := keyring.Read(dir)
	if err != nil {
		return secrets, nil // who opens the node says it better
	}
	has := func(k keyring.Kind) bool {
		return slices.ContainsFunc(p.Slots, func(s keyring.Slot) bool { return s.Kind == k.String() })
	}
	if !has(keyring.Password) || has(keyring.Beside) && !u.PasswordStdin || len(secrets) > 0 && !u.PasswordStdin {
		return secrets, nil
	}
	s, err := ask.password("Mật khẩu của kho: ", "The store's password: ")
	if errors.Is(err, errNobody) {
		return secrets, nil // the key file's own sentence says what to do
	}
	return append(secrets, s), err
}

// environment is the key in the variable, or in systemd's credential, or "".
func (u unlock) environment() (string, error) {
	if text := os.Getenv(u.KeyEnv); text != "" {
		return text, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", nil
	}
	b, err := readSmall(filepath.Join(dir, credential))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, keyTextMax))
	return b, errors.Join(err, f.Close())
}

func readKeyFile(name string) (keyring.Secret, error) {
	b, err := readSmall(name)
	if err != nil {
		return keyring.Secret{}, node.Errorf(node.NotFound,
			"Không đọc được tệp khóa %w. Hãy cắm thiết bị giữ tệp đó.", "the key file can't be read: %w; plug in what holds it", err)
	}
	return keyring.KeySecret(keyring.KeyFile, string(b))
}

// asker asks for passwords: at the terminal without an echo, or line by line from
// standard input.
type asker struct {
	console *console
	lines   *bufio.Reader // nil: the terminal
}

func newAsker(c *console, stdin bool) *asker {
	a := &asker{console: c}
	if stdin {
		a.lines = bufio.NewReader(io.LimitReader(os.Stdin, keyTextMax))
	}
	return a
}

// errNobody says that there is no terminal to ask at, and no leave to read input.
var errNobody = node.Errorf(node.Invalid,
	"Cần một mật khẩu, mà đây không phải cửa sổ dòng lệnh. Hãy đưa mật khẩu qua --password-stdin.",
	"a password is needed and this is no terminal; hand it over with --password-stdin")

func (a *asker) line(vi, en string) (string, error) {
	if a.lines != nil {
		line, err := a.lines.ReadString('\n')
		if err != nil && (!errors.Is(err, io.EOF) || line == "") {
			return "", node.Errorf(node.Invalid, "Đầu vào không còn dòng mật khẩu nào: %w", "standard input has no further line for a password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	stdin := int(os.Stdin.Fd())
	if !term.IsTerminal(stdin) {
		return "", errNobody
	}
	if a.console.english {
		vi = en
	}
	fmt.Fprint(os.Stderr, vi)
	line, err := readSecretly(stdin, a.console.stopped)
	fmt.Fprintln(os.Stderr)
	return line, err
}

// errStopped is someone's Ctrl-C at a question.
var errStopped = node.Errorf(node.Unavailable, "Đã dừng khi đang hỏi mật khẩu; chưa có gì thay đổi.", "stopped while asking for a password; nothing was changed")

// readSecretly reads a line without an echo, until it is told to stop: then the
// terminal is as it was, and the read is left to the end of the process.
func readSecretly(terminal int, stopped <-chan struct{}) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", fmt.Errorf("ask at the terminal: %w", err)
	}
	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(terminal)
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		return string(a.line), a.err
	case <-stopped:
		return "", errors.Join(errStopped, term.Restore(terminal, before))
	}
}

// password asks for one that opens something: however short, it is tried.
func (a *asker) password(vi, en string) (keyring.Secret, error) {
	line, err := a.line(vi, en)
	if err != nil {
		return keyring.Secret{}, err
	}
	return keyring.TypedPassword(line), nil
}

// newPassword asks for a password to come, at a terminal twice.
func (a *asker) newPassword() (keyring.Secret, error) {
	first, err := a.line("Mật khẩu mới: ", "New password: ")
	if err != nil {
		return keyring.Secret{}, err
	}
	if a.lines == nil {
		again, err := a.line("Gõ lại mật khẩu mới: ", "New password again: ")
		if err != nil {
			return keyring.Secret{}, err
		}
		if again != first {
			return keyring.Secret{}, node.Errorf(node.Invalid, "Hai lần gõ không giống nhau. Hãy chạy lại.", "the two are not the same; run it again")
		}
	}
	return keyring.PasswordSecret(first)
}

// options are a daemon's, with the secrets that open its directory.
func (u unlock) options(c *console, dir string, packs []string) (daemon.Options, error) {
	o := options(c, packs)
	var err error
	o.Secrets, err = u.secrets(newAsker(c, u.PasswordStdin), dir)
	return o, err
}
