package backup

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lukechampine.com/blake3"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/durable"
	"github.com/vungxa/vungxa/node/store/sealed"
)

// maxManifest bounds a manifest, in bytes: 1.5 million parts, some 200 GB.
const maxManifest = 64 << 20

// magic begins every manifest's file.
const magic = "vungxa backup 1\n"

// About says what a backup is of.
type About struct {
	MadeMS      int64  // by the device's clock
	Program     string // version of the program
	Device      crdt.Device
	StoreID     [16]byte // of the store
	StoreFormat uint32   // of its keys and values
	// Certificate is the device's, by whose key Sign signs. Both may be missing.
	Certificate []byte
	Sign        func(message []byte) []byte
}

// Manifest is a backup: what it is of, and the parts that it consists of.
type Manifest struct {
	About
	Number   uint64
	Previous Digest // of the manifest's file before it; zero in the first
	Items    uint64
	Bytes    uint64
	Parts    int
	table    []byte

	signature, signed []byte
}

type storedManifest struct {
	_           struct{} `cbor:",toarray"`
	Format      uint64
	Set         [16]byte
	Number      uint64
	Previous    Digest
	MadeMS      int64
	Program     string
	Device      crdt.Device
	StoreID     [16]byte
	StoreFormat uint32
	Certificate []byte
	Items       uint64
	Bytes       uint64
	Table       []byte
	Signature   []byte // over all of the above; empty where nobody signed
}

// message is what a device signs of a manifest.
func (m storedManifest) message() ([]byte, error) {
	m.Signature = nil
	b, err := wire.Marshal(m)
	digest := blake3.Sum256(b)
	return append([]byte("vungxa backup manifest 1\x00"), digest[:]...), err
}

// SignedBy says whether a device signed the backup with its seal key. A recovery key
// opens a backup, and doesn't say who made it: whoever knows the recipient can make
// one for it. The signature does.
func (m *Manifest) SignedBy(key ed25519.PublicKey) bool {
	return ed25519.Verify(key, m.signed, m.signature)
}

func (m *Manifest) rows() iter.Seq[part] {
	return func(yield func(part) bool) {
		for i := 0; i+partRow <= len(m.table) && yield(readPart(m.table[i:])); i += partRow {
		}
	}
}

func (s *Set) manifestFile(number uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%06d%s", number, endManifest))
}

func manifestPurpose(number uint64) string { return fmt.Sprintf("backup 1 manifest %d", number) }

// numbers are those of the manifests that are there, ascending.
func (s *Set) numbers() ([]uint64, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read the backup directory: %w", err)
	}
	var numbers []uint64
	for _, e := range entries {
		text, ok := strings.CutSuffix(e.Name(), endManifest)
		if n, err := strconv.ParseUint(text, 10, 64); ok && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// newest is the newest backup; nil where there is none.
func (s *Set) newest() (*Manifest, error) {
	numbers, err := s.numbers()
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	return s.Manifest(numbers[len(numbers)-1])
}

// Manifests are the numbers of the backups that are there, ascending; a set without
// any is an error.
func (s *Set) Manifests() ([]uint64, error) {
	numbers, err := s.numbers()
	if err == nil && len(numbers) == 0 {
		err = node.Errorf(node.NotFound, "Thư mục %s chưa có bản sao lưu nào hoàn thành. Hãy chạy lại lệnh sao lưu.",
			"there is no finished backup in %s; run the backup again", s.dir)
	}
	return numbers, err
}

// Manifest is the backup of a number; 0 stands for the newest.
func (s *Set) Manifest(number uint64) (*Manifest, error) {
	if number == 0 {
		numbers, err := s.Manifests()
		if err != nil {
			return nil, err
		}
		number = numbers[len(numbers)-1]
	}
	b, err := os.ReadFile(s.manifestFile(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, node.Errorf(node.NotFound, "Không có bản sao lưu số %d trong %s.", "there is no backup %d in %s", number, s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read backup %d: %w", number, err)
	}
	m, err := s.openManifest(number, b)
	if err != nil {
		return nil, node.Errorf(node.Damaged, "Bản sao lưu số %d bị hỏng: %w. Hãy dùng một bản khác (`vungxa restore --number`), hoặc một bản chép khác của thư mục này.",
			"backup %d is damaged: %w; use another one (`vungxa restore --number`), or another copy of this directory", number, err)
	}
	return m, nil
}

func (s *Set) openManifest(number uint64, b []byte) (*Manifest, error) {
	_, body, err := splitManifest(b)
	if err != nil {
		return nil, err
	}
	packed, err := sealed.Open(s.keys, manifestPurpose(number), body)
	if err != nil {
		return nil, err
	}
	plain, err := s.pack.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	var m storedManifest
	if err := wire.Unmarshal(plain, maxManifest, &m); err != nil {
		return nil, err
	}
	if m.Format != Format || m.Number != number || m.Set != s.keys.StoreID || len(m.Table)%partRow != 0 {
		return nil, node.Errorf(node.Damaged, "đây là bản số %d của bộ khác, hoặc có định dạng %d", "it is number %d of another set, or of format %d", m.Number, m.Format)
	}
	message, err := m.message()
	if err != nil {
		return nil, err
	}
	return &Manifest{
		signature: m.Signature, signed: message,
		About: About{MadeMS: m.MadeMS, Program: m.Program, Device: m.Device, StoreID: m.StoreID,
			StoreFormat: m.StoreFormat, Certificate: m.Certificate},
		Number: m.Number, Previous: m.Previous, Items: m.Items, Bytes: m.Bytes,
		Parts: len(m.Table) / partRow, table: m.Table,
	}, nil
}

// splitManifest gives the copy of set.key and the sealed body.
func splitManifest(b []byte) (key, body []byte, err error) {
	rest, ok := strings.CutPrefix(string(b), magic)
	if !ok || len(rest) < 4 {
		return nil, nil, node.Errorf(node.Damaged, "phần đầu không phải của một bản sao lưu", "it does not begin as a backup does")
	}
	n := binary.BigEndian.Uint32([]byte(rest))
	if n > maxKeyFile || int(n) > len(rest)-4 {
		return nil, nil, node.Errorf(node.Damaged, "tệp bị cắt cụt", "it is cut short")
	}
	return []byte(rest[4 : 4+n]), []byte(rest[4+n:]), nil
}

func (s *Set) keyCopy(number uint64) ([]byte, error) {
	b, err := os.ReadFile(s.manifestFile(number))
	if err != nil {
		return nil, err
	}
	key, _, err := splitManifest(b)
	return key, err
}

// writeManifest makes a backup of the parts that were written.
func (s *Set) writeManifest(about About, w *writer, latest *Manifest) error {
	m := storedManifest{
		Format: Format, Set: s.keys.StoreID, Number: 1, MadeMS: about.MadeMS, Program: about.Program, Device: about.Device,
		StoreID: about.StoreID, StoreFormat: about.StoreFormat,
		Certificate: about.Certificate, Items: w.report.Items, Bytes: w.report.Bytes, Table: w.table,
	}
	if latest != nil {
		b, err := os.ReadFile(s.manifestFile(latest.Number))
		if err != nil {
			return err
		}
		m.Number, m.Previous = latest.Number+1, blake3.Sum256(b)
	}
	if about.Sign != nil {
		message, err := m.message()
		if err != nil {
			return err
		}
		m.Signature = about.Sign(message)
	}
	plain, err := wire.Marshal(m)
	if err != nil {
		return err
	}
	body, err := sealed.Seal(s.keys, manifestPurpose(m.Number), s.pack.enc.EncodeAll(plain, nil))
	if err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32([]byte(magic), uint32(len(s.keyFile)))
	b = append(append(b, s.keyFile...), body...)
	w.report.Number, w.report.MadeMS = m.Number, m.MadeMS
	return durable.WriteFile(s.manifestFile(m.Number), b)
}
