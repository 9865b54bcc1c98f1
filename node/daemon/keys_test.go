package daemon_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// A device's keys lie nowhere in its directory as they are.
func TestDeviceKeysAreSealed(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := open(t, dir)
	keys, store := d.DeviceKeys(), dataKey(t, dir)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{"seal key": keys.Seal.Seed(), "peer key": keys.Peer.Seed(), "data key": store.Data[:]}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for name, secret := range secrets {
			if bytes.Contains(b, secret) {
				t.Errorf("%s shows the %s", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A key file of a device that was changed, or put in the other's place, is refused
// in a sentence.
func TestDeviceKeysDamaged(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	seal, peer := filepath.Join(dir, "seal-key.sealed"), filepath.Join(dir, "peer-key.sealed")
	good, err := os.ReadFile(seal)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(peer)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{"flipped": flipped, "short": good[:20], "empty": nil, "the other's": other} {
		if err := os.WriteFile(seal, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := daemon.New(dir, options()); node.CodeOf(err) != node.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What protects the node is told as it is now, also of slots that change while it
// runs, and of a key file that is gone.
func TestProtectionIsTold(t *testing.T) {
	dir := filepath.Join(provision(t), "box")
	d := open(t, dir)
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	told := func(want keyring.Class, damaged bool) {
		t.Helper()
		says := want.Says()
		if got := d.Info().Protection; got != (api.Protection{Class: string(want), Says: says, Damaged: damaged}) {
			t.Errorf("%+v; want %s, damaged %v", got, want, damaged)
		}
	}
	told(keyring.ClassNone, false)
	ring, err := keyring.Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	password, err := keyring.PasswordSecret("mật khẩu của kho")
	if err == nil {
		err = ring.Replace(1, password)
	}
	if err != nil {
		t.Fatal(err)
	}
	told(keyring.ClassPassword, false)
	if err := os.Truncate(filepath.Join(dir, keyring.FileName), 10); err != nil {
		t.Fatal(err)
	}
	told(keyring.ClassPassword, true)
	if err := errors.Join(os.Remove(filepath.Join(dir, keyring.FileName)), os.Remove(filepath.Join(dir, keyring.CopyName))); err != nil {
		t.Fatal(err)
	}
	told(keyring.ClassUnknown, true)
}
