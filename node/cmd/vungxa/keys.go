package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/keyring"
)

type keysCmd struct {
	List     keysList     `cmd:"" help:"Show the slots that open the store, and what they protect it from." vi:"Liệt kê các cách mở kho, và chúng bảo vệ khỏi điều gì."`
	Add      keysAdd      `cmd:"" help:"Add a slot: password, key-file, environment or none." vi:"Thêm một cách mở: password (mật khẩu), key-file (tệp khóa), environment (môi trường) hoặc none (khóa cạnh đĩa)."`
	Remove   keysRemove   `cmd:"" help:"Remove a slot; never the last that opens the store." vi:"Bỏ một cách mở; không bao giờ bỏ cách cuối cùng."`
	Password keysPassword `cmd:"" help:"Change the password of a slot." vi:"Đổi mật khẩu của một cách mở."`
	Rotate   keysRotate   `cmd:"" help:"Change the data key itself: write all data anew under another one. The node must not run." vi:"Đổi chính khóa dữ liệu: ghi lại toàn bộ dữ liệu dưới khóa khác. Nút không được chạy."`
}

// keysFlags are those of all keys commands.
type keysFlags struct {
	Dir  string `required:"" type:"path" help:"The node's directory." vi:"Thư mục của nút."`
	JSON bool   `help:"Print one JSON object." vi:"In một đối tượng JSON."`
}

// changing are those of the commands that change the key file. A node may run
// meanwhile: it has read what it needs.
type changing struct {
	keysFlags
	unlock
}

func (k changing) open(c *console) (*keyring.Ring, *asker, error) {
	ask := newAsker(c, k.PasswordStdin)
	secrets, err := k.secrets(ask, k.Dir)
	if err != nil {
		return nil, nil, err
	}
	ring, err := keyring.Open(k.Dir, rand.Reader, secrets...)
	return ring, ask, err
}

type keysList struct{ keysFlags }

// Run shows the slots. It opens none.
func (k keysList) Run(c *console) error {
	p, err := keyring.Read(k.Dir)
	if err != nil {
		return err
	}
	return k.show(c, p, nil)
}

// show prints what protects the store, and as JSON what more there is to say.
func (k keysFlags) show(c *console, p keyring.Protection, more map[string]any) error {
	if k.JSON {
		out := map[string]any{
			"class": p.Class, "says": p.Class.Says(), "store_id": hex.EncodeToString(p.StoreID[:]),
			"damaged": p.Damaged, "rotating": p.Rotating, "slots": p.Slots,
		}
		for name, v := range more {
			out[name] = v
		}
		return json.NewEncoder(c.out).Encode(out)
	}
	c.say("Các cách mở kho trong %s:", "Slots that open the store in %s:", k.Dir)
	for _, s := range p.Slots {
		name := slotNames[s.Kind]
		if name == (node.Text{}) {
			name = node.Text{VI: s.Kind, EN: s.Kind}
		}
		fmt.Fprintf(c.out, "  %2d  %-28s %s\n", s.Number, c.text(name), s.Label)
	}
	fmt.Fprintln(c.out, c.text(p.Class.Says()))
	k.besideStays(c, p.Slots)
	if p.Damaged {
		c.say("Tệp khóa có chỗ hỏng: hãy thêm một cách mở mới và cất một bản của tệp %s.", "The key file is damaged: add a new slot, and keep a copy of the file %s.", filepath.Join(k.Dir, keyring.FileName))
	}
	if p.Rotating {
		c.say("Việc đổi khóa dữ liệu chưa xong.", "A change of the data key is unfinished.")
	}
	return nil
}

// besideStays says that a password, or a key that lies elsewhere, protects nothing
// while a key beside the disk opens the store too.
func (k keysFlags) besideStays(c *console, slots []keyring.Slot) {
	beside := slices.IndexFunc(slots, func(s keyring.Slot) bool { return s.Kind == keyring.Beside.String() })
	if beside < 0 || !slices.ContainsFunc(slots, func(s keyring.Slot) bool { return s.Kind != keyring.Beside.String() && !s.Damaged }) {
		return
	}
	c.say("Cách mở số %[1]d vẫn mở kho mà không hỏi gì, nên các cách khác chưa bảo vệ được. Khi đã thử cách mới, hãy bỏ nó: vungxa keys remove %[1]d --dir %[2]s",
		"Slot %[1]d still opens the store without asking, so the others protect nothing yet. When you have tried the new one, remove it: vungxa keys remove %[1]d --dir %[2]s",
		slots[beside].Number, k.Dir)
}

var slotNames = map[string]node.Text{
	"password":    {VI: "mật khẩu", EN: "password"},
	"key-file":    {VI: "tệp khóa để nơi khác", EN: "key file kept elsewhere"},
	"environment": {VI: "môi trường hoặc systemd", EN: "environment or systemd"},
	"none":        {VI: "khóa nằm cạnh đĩa", EN: "key beside the disk"},
	"damaged":     {VI: "hỏng", EN: "damaged"},
}

type keysAdd struct {
	changing
	Kind       string `arg:"" enum:"password,key-file,environment,none" help:"What will open the store: password, key-file, environment or none." vi:"Cách mở kho: password, key-file, environment hoặc none."`
	Label      string `help:"What people call the slot, at most 64 bytes." vi:"Tên gọi của cách mở này, tối đa 64 byte."`
	NewKeyFile string `type:"path" placeholder:"FILE" help:"For key-file: written if it isn't there, else read. Not in the node's directory." vi:"Cho key-file: ghi ra nếu chưa có, có rồi thì đọc. Không nằm trong thư mục của nút."`
}

// Run adds a slot.
func (k keysAdd) Run(c *console) error {
	ring, ask, err := k.open(c)
	if err != nil {
		return err
	}
	secret, text, err := k.secret(ask)
	if err != nil {
		return err
	}
	slot, err := ring.Add(secret, k.Label)
	if err != nil {
		return err
	}
	more := map[string]any{"slot": slot}
	if text != "" {
		more["key"] = text
	}
	if !k.JSON && text != "" {
		c.say("Khóa này chỉ hiện một lần. Đặt nó vào biến %s, hoặc vào systemd credential %s:\n\n%s\n",
			"This key is shown once. Put it into the variable %s, or into the systemd credential %s:\n\n%s\n", k.KeyEnv, credential, text)
	}
	return k.show(c, ring.Protection(), more)
}

// secret is the new slot's, with its written form where that must be told.
func (k keysAdd) secret(ask *asker) (s keyring.Secret, text string, err error) {
	switch k.Kind {
	case "password":
		s, err = ask.newPassword()
	case "key-file":
		s, err = k.keyFile()
	case "environment":
		if text, err = keyring.NewKeyText(rand.Reader); err == nil {
			s, err = keyring.KeySecret(keyring.Environment, text)
		}
	default:
		s = keyring.BesideSecret()
	}
	return s, text, err
}

// keyFile reads the key file, or writes one before its slot: a key that was lost
// costs nothing yet.
func (k keysAdd) keyFile() (keyring.Secret, error) {
	if k.NewKeyFile == "" {
		return keyring.Secret{}, node.Errorf(node.Invalid, "Hãy nói nơi để tệp khóa: --new-key-file TỆP.", "say where the key file is to lie: --new-key-file FILE")
	}
	if inside(k.Dir, k.NewKeyFile) {
		return keyring.Secret{}, node.Errorf(node.Invalid,
			"Tệp khóa nằm trong thư mục của nút thì không bảo vệ gì. Hãy chọn nơi khác, tốt nhất là một thiết bị tháo ra được.",
			"a key file in the node's own directory protects nothing; choose another place, best on something that can be taken out")
	}
	_, err := os.Stat(k.NewKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		text, err := keyring.NewKeyText(rand.Reader)
		if err == nil {
			err = durable.WriteFile(k.NewKeyFile, []byte(text+"\n"))
		}
		if err != nil {
			return keyring.Secret{}, err
		}
	}
	return readKeyFile(k.NewKeyFile)
}

// inside says whether a file lies below a directory, whatever links lead there.
func inside(dir, file string) bool {
	real := func(p string) string {
		if r, err := filepath.EvalSymlinks(p); err == nil {
			return r
		}
		return filepath.Clean(p)
	}
	rel, err := filepath.Rel(real(dir), filepath.Join(real(filepath.Dir(file)), filepath.Base(file)))
	return err == nil && filepath.IsLocal(rel)
}

type keysRemove struct {
	changing
	Slot int `arg:"" help:"The slot's number, as list shows it." vi:"Số của cách mở, như lệnh list cho thấy."`
}

// Run removes a slot.
func (k keysRemove) Run(c *console) error {
	ring, _, err := k.open(c)
	if err != nil {
		return err
	}
	if err := ring.Remove(k.Slot); err != nil {
		return err
	}
	return k.after(c, ring)
}

// after tells what a secret that is gone may still open.
func (k changing) after(c *console, ring *keyring.Ring) error {
	if !k.JSON {
		c.say("Ai giữ bí mật cũ cùng một bản cũ của tệp khóa (cả những vùng đĩa chưa bị ghi đè) vẫn mở được kho, cho tới khi khóa dữ liệu được đổi (vungxa keys rotate).",
			"Who holds the old secret and an old copy of the key file (also in parts of the disk not yet written over) can still open the store, until the data key is changed (vungxa keys rotate).")
	}
	return k.show(c, ring.Protection(), nil)
}

type keysPassword struct {
	changing
	Slot int `help:"The slot whose password it is; without it, the one that the password opens." vi:"Số của cách mở; không có thì là cách mà mật khẩu đó mở."`
}

// Run changes a password.
func (k keysPassword) Run(c *console) error {
	ask := newAsker(c, k.PasswordStdin)
	old, err := ask.password("Mật khẩu hiện nay: ", "Current password: ")
	if err != nil {
		return err
	}
	ring, err := keyring.Open(k.Dir, rand.Reader, old)
	if err != nil {
		return err
	}
	if k.Slot == 0 {
		if k.Slot, err = ring.SlotOf(old); err != nil {
			return err
		}
	}
	if k.Slot == 0 {
		return node.Errorf(node.Unauthenticated, "Không cách mở nào dùng mật khẩu đó. `vungxa keys list` cho thấy các cách mở.", "no slot opens with that password; `vungxa keys list` shows the slots")
	}
	fresh, err := ask.newPassword()
	if err != nil {
		return err
	}
	if err := ring.Replace(k.Slot, fresh); err != nil {
		return err
	}
	return k.after(c, ring)
}

type keysRotate struct {
	changing
	Drop bool `help:"Let slots go whose secrets are not given." vi:"Chấp nhận mất các cách mở không được đưa bí mật."`
}

// Run changes the data key: everything is written anew under another one. The node
// must not run.
func (k keysRotate) Run(ctx context.Context, c *console) error {
	opts, err := k.all(c)
	if err != nil {
		return err
	}
	p, err := daemon.Rotate(ctx, k.Dir, opts, k.Drop, func() {
		if !k.JSON {
			c.say("Đang ghi lại toàn bộ dữ liệu dưới khóa mới…", "Writing all data anew under the new key…")
		}
	})
	if err != nil {
		return err
	}
	if !k.JSON {
		c.say("Xong. Bản sao lưu làm trước lúc này chỉ mở được bằng khóa khôi phục của chúng, hoặc bằng một bản cất giữ của tệp khóa cũ; hãy tạo một bộ sao lưu mới.",
			"Done. Backups made before now open only with their recovery keys, or with a kept copy of the old key file; begin a new set of backups.")
	}
	return k.show(c, p, nil)
}

// all asks for the password of each slot that nothing given opens.
func (k keysRotate) all(c *console) (daemon.Options, error) {
	opts := options(c, nil)
	ask := newAsker(c, k.PasswordStdin)
	secrets, err := k.secrets(ask, k.Dir)
	if err != nil {
		return opts, err
	}
	opts.Secrets = secrets
	ring, err := keyring.Open(k.Dir, rand.Reader, secrets...)
	if err != nil {
		return opts, err
	}
	lacking, err := ring.Lacking(secrets...)
	if err != nil {
		return opts, err
	}
	for _, s := range ring.Protection().Slots {
		if s.Kind != keyring.Password.String() || !slices.Contains(lacking, s.Number) {
			continue
		}
		line, err := ask.line(fmt.Sprintf("Mật khẩu của cách mở số %d (bỏ trống nếu không có): ", s.Number),
			fmt.Sprintf("Password of slot %d (empty if you haven't got it): ", s.Number))
		if errors.Is(err, errStopped) {
			return opts, err
		}
		if err != nil || line == "" {
			continue // Rotate says what goes without it
		}
		opts.Secrets = append(opts.Secrets, keyring.TypedPassword(line))
	}
	return opts, nil
}

func (keysRotate) stopped() node.Text {
	return node.Text{
		VI: "Đã dừng: khóa dữ liệu chưa đổi, kho vẫn mở bằng khóa cũ. Chạy lại lệnh này lúc nào cũng được; nó làm từ đầu.",
		EN: "stopped: the data key is not changed, and the old one opens the store. Run it again at any time; it begins anew.",
	}
}
