package keyring

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/vungxa/vungxa/node"
)

// Slot is what is told of a slot without opening it.
type Slot struct {
	Number  int    `json:"slot"`
	Kind    string `json:"kind"` // as Kind.String; "damaged" where neither copy is readable
	Label   string `json:"label"`
	Damaged bool   `json:"damaged"`
}

// Protection is what the slots of a store protect it from, together: as much as
// the weakest of them.
type Protection struct {
	Class    Class
	StoreID  [16]byte
	Slots    []Slot
	Damaged  bool // a slot is damaged in both copies, or a copy is
	Rotating bool // a change of the data key was begun and not finished
}

// Class names what protects a store.
type Class string

// The classes, from the weakest: each is that of its kind of slot. Unknown is that
// of a file whose readable slots a later program wrote.
const (
	ClassNone        Class = "none"
	ClassEnvironment Class = "environment"
	ClassKeyFile     Class = "key-file"
	ClassPassword    Class = "password"
	ClassUnknown     Class = "unknown"
)

var weakest = []Kind{Beside, Environment, KeyFile, Password}

// Says is what a class protects from and what it doesn't, as a sentence.
func (c Class) Says() node.Text {
	switch c {
	case ClassNone:
		return node.Text{
			VI: "Khóa nằm cùng đĩa với dữ liệu: ai lấy được đĩa thì mở được kho.",
			EN: "The key lies on the disk with the data: whoever takes the disk can open the store.",
		}
	case ClassEnvironment:
		return node.Text{
			VI: "Khóa do môi trường của máy trao khi khởi động: bảo vệ tốt bằng nơi giữ khóa đó, và không hơn nếu nơi đó ở cùng đĩa.",
			EN: "The machine's environment hands the key over at start: it protects as well as the place that keeps it, and not at all from who takes both.",
		}
	case ClassKeyFile:
		return node.Text{
			VI: "Khóa ở tệp để nơi khác: bảo vệ đĩa bị lấy đi, nếu thiết bị giữ tệp không bị lấy cùng.",
			EN: "The key is in a file kept elsewhere: it protects a stolen disk, unless what holds the file is stolen with it.",
		}
	case ClassPassword:
		return node.Text{
			VI: "Mật khẩu mở kho: bảo vệ đĩa bị lấy đi, tốt bằng mật khẩu đó; không bảo vệ máy đang chạy.",
			EN: "A password opens the store: it protects a stolen disk as well as the password is good, and no machine that runs.",
		}
	}
	return node.Text{VI: "Không đọc được kho được bảo vệ bằng gì.", EN: "It can't be read what protects the store."}
}

// Read tells of a directory's slots without opening any.
func Read(dir string) (Protection, error) {
	f, err := readFile(dir)
	if err != nil {
		return Protection{Class: ClassUnknown, Damaged: node.CodeOf(err) == node.Damaged}, err
	}
	return f.protection(), nil
}

// Protection is what the ring's slots protect from.
func (r *Ring) Protection() Protection { return r.file.protection() }

func (f *file) rotating() bool {
	return slices.ContainsFunc(f.slots, func(b *block) bool { return len(b.Wraps) > 1 })
}

func (f *file) protection() Protection {
	p := Protection{Class: ClassUnknown, StoreID: f.slots[0].StoreID, Damaged: !f.sound, Rotating: f.rotating()}
	for _, k := range slices.Backward(weakest) {
		if slices.ContainsFunc(f.slots, func(b *block) bool { return b.Kind == k }) {
			p.Class = Class(k.String())
		}
	}
	lost := f.mask
	for _, b := range f.slots {
		p.Slots = append(p.Slots, Slot{Number: int(b.Slot), Kind: b.Kind.String(), Label: b.Label})
		lost &^= 1 << (b.Slot - 1)
	}
	for ; lost != 0; lost &= lost - 1 {
		p.Slots = append(p.Slots, Slot{Number: bits.TrailingZeros16(lost) + 1, Kind: "damaged", Damaged: true})
	}
	slices.SortFunc(p.Slots, func(a, b Slot) int { return cmp.Compare(a.Number, b.Number) })
	return p
}
