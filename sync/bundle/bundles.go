package bundle

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// Exchange writes and takes half sessions; a *replica.Replica does.
type Exchange interface {
	// Write writes down what readers lack, and remembers nothing of it.
	Write(context.Context, replica.Order) (*replica.Written, error)
	// Carry remembers what was written: it is durable on what carries it.
	Carry(to []crdt.Device, w *replica.Written) error
	// Carried is how many entries are on their way to a device, not known to be there.
	Carried(to crdt.Device) (uint64, error)
	// Take takes in what a device wrote; it is durable when this returns. A
	// *reconcile.Refusal says why it isn't taken; any other error is this node's own.
	Take(context.Context, replica.Carrying) (replica.Took, error)
}

// Config is what Bundles work with.
type Config struct {
	Certificate []byte
	Key         *ecdh.PrivateKey    // opens bundles; nil: the certificate names none
	Sign        func([]byte) []byte // with the seal key
	Directory   *identity.Directory
	Exchange    Exchange
	Waiting     string // a directory for parts that rest on what hasn't come; "": none
}

// Bundles are what a node does with sticks, one at a time.
type Bundles struct {
	cfg  Config
	own  crdt.Device
	name namer

	mu sync.Mutex // held while a stick is worked on
}

// ErrNoKey says that a certificate was issued before there were bundles.
var ErrNoKey = errors.New("a certificate without a key for bundles")

// Bounds of what waits for what it rests on.
const (
	maxWaiting      = 64
	maxWaitingBytes = 128 << 20
)

// New makes the bundles of a node.
func New(cfg Config) (*Bundles, error) {
	own, err := cfg.Directory.Verify(cfg.Certificate)
	if err != nil {
		return nil, fmt.Errorf("bundles: own certificate: %w", err)
	}
	return &Bundles{cfg: cfg, own: own.Device, name: newNamer(cfg.Sign([]byte("vungxa bundle names 1")))}, nil
}

// Order says for whom is written.
type Order struct {
	To []crdt.Device // all of them can read all of it: only scopes that all share are in it
	// After goes on where what is on its way ends: what had no room on the last stick.
	After  bool
	Reply  bool             // what is written answers something, so it goes even if no entry is in it
	Part   int              // bytes of a part at most; 0: MaxFile
	Heads  bool             // say also what is held here
	Answer reconcile.Answer // to what the only reader wrote
}

// Exported is what was written.
type Exported struct {
	Files   []string
	Bytes   int64
	Entries uint64 // that the readers aren't known to hold
	Whole   int    // attachments, to their end
	More    bool   // there was no room for all
}

// Export writes what the readers lack, in parts, as far as there is room. A part that is
// named in the answer is durable, also where an error is given.
func (b *Bundles) Export(ctx context.Context, s *Stick, o Order) (Exported, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.export(ctx, s, o)
}

func (b *Bundles) export(ctx context.Context, s *Stick, o Order) (out Exported, err error) {
	keys, err := b.readers(&o)
	if err != nil {
		return out, err
	}
	part := uint64(0)
	for o.After && s.Has(b.name.name(o.To, part)) {
		part++ // what an earlier stick's rest is stays there
	}
	order := replica.Order{To: o.To, After: o.After, Heads: o.Heads, Answer: o.Answer}
	for {
		order.Room = b.room(s, o, len(keys))
		w, err := b.cfg.Exchange.Write(ctx, order)
		if err != nil {
			return out, fmt.Errorf("write a bundle: %w", err)
		}
		if w.Items == 0 || order.From == nil && o.ended(w) || repeats(order, w) {
			out.More = w.Full
			break
		}
		err = b.writePart(s, o.To, keys, part, w, &out)
		if errors.Is(err, ErrFull) {
			out.More = true
			break
		}
		if err != nil {
			return out, err
		}
		part++
		if !w.Full {
			break
		}
		order.From, order.Heads, order.Answer, order.Counter, order.Enclosed = w.Sent, false, reconcile.Answer{}, w.Counter, w.Enclosed
	}
	if len(out.Files) == 0 && out.More {
		return out, ErrFull
	}
	if o.After || out.More {
		return out, nil
	}
	return out, b.removeFrom(s, o.To, part)
}

// ended says whether there is nothing left to go on with: all had room last time, and
// nothing is new since.
func (o *Order) ended(w *replica.Written) bool {
	return o.After && !o.Reply && !w.Unfinished && w.Entries == 0
}

// repeats says whether what is next has no room: a part more would have nothing in it but
// what rests on no entry, again.
func repeats(order replica.Order, w *replica.Written) bool {
	return order.From != nil && w.Full && maps.Equal(w.Sent, order.From) && slices.Equal(w.Enclosed, order.Enclosed)
}

// room is how much of messages a part may hold.
func (b *Bundles) room(s *Stick, o Order, readers int) int {
	most := int64(MaxFile)
	if o.Part > 0 {
		most = min(most, int64(o.Part))
	}
	most = min(most, s.Free()-answerRoom)
	return max(0, int(most)-Overhead(readers)-len(b.cfg.Certificate)-identity.MaxScopes)
}

// readers sorts who reads, and gives their keys.
func (b *Bundles) readers(o *Order) (keys []*ecdh.PublicKey, err error) {
	o.To = slices.SortedFunc(slices.Values(o.To), func(a, b crdt.Device) int { return bytes.Compare(a[:], b[:]) })
	o.To = slices.Compact(o.To)
	if len(o.To) == 0 || len(o.To) > MaxReaders {
		return nil, fmt.Errorf("a bundle for %d devices; at least 1 and at most %d", len(o.To), MaxReaders)
	}
	for _, d := range o.To {
		c, known := b.cfg.Directory.ByDevice(d)
		switch {
		case !known:
			return nil, fmt.Errorf("device %s: %w: none is known here", d, identity.ErrCertificate)
		case c.HPKEKey == nil:
			return nil, fmt.Errorf("device %s: %w", d, ErrNoKey)
		}
		keys = append(keys, c.HPKEKey)
	}
	return keys, nil
}

func (b *Bundles) writePart(s *Stick, to []crdt.Device, keys []*ecdh.PublicKey, part uint64, w *replica.Written, out *Exported) error {
	c := Content{By: b.own, Counter: w.Counter, Part: part, Last: !w.Full, Entries: w.Entries, Scopes: w.Scopes, Messages: w.Messages}
	if !w.Known {
		c.Certificate = b.cfg.Certificate
	}
	sealed, err := Seal(&c, keys, b.cfg.Sign)
	if err != nil {
		return err
	}
	name := b.name.name(to, part)
	if err := s.Write(name, sealed); err != nil {
		return err
	}
	out.Files, out.Bytes, out.Entries = append(out.Files, name), out.Bytes+int64(len(sealed)), out.Entries+w.Entries
	out.Whole += w.Whole
	if err := b.cfg.Exchange.Carry(to, w); err != nil {
		return fmt.Errorf("remember what is carried: %w", err)
	}
	return nil
}

// removeFrom takes away older parts that a whole new bundle has in it.
func (b *Bundles) removeFrom(s *Stick, to []crdt.Device, part uint64) error {
	if part == 0 {
		return nil // nothing was written: what is there may be under way
	}
	for name := b.name.name(to, part); s.Has(name); name = b.name.name(to, part) {
		if err := s.Remove(name); err != nil {
			return fmt.Errorf("remove an older part: %w", err)
		}
		part++
	}
	return nil
}

// State is what a file on a stick is.
type State string

// The states.
const (
	Ready     State = "ready"     // for this device, and not looked into yet
	Taken     State = "taken"     // all that it has is held here
	Waiting   State = "waiting"   // some of it rests on a part that hasn't come; it is kept
	NoRoom    State = "no-room"   // the same, and too much waits already: it is to be brought again
	Refused   State = "refused"   // not taken; Refusal says why
	Ours      State = "ours"      // written here, and under way
	Arrived   State = "arrived"   // written here, has arrived, and was removed
	Foreign   State = "foreign"   // for others, or damaged
	Partial   State = "partial"   // what was left when a stick was pulled
	Short     State = "short"     // its end is missing
	Altered   State = "altered"   // damaged, or altered on the way
	Unknown   State = "unknown"   // no bundle, or of a later format
	Irregular State = "irregular" // a directory, a link, a device
	Stranger  State = "stranger"  // for this device, by one that this authority hasn't certified
	Unread    State = "unread"    // the stick gives an error
)

// File is a bundle's name on a stick, and what is known of what is there.
type File struct {
	Found
	State   State
	By      crdt.Device   // who wrote it
	To      []crdt.Device // for whom, of one that was written here
	Readers int           // how many
	Counter uint64
	Part    uint64
	Last    bool
	Entries uint64 // that it carries, by the writer's word
	Scopes  []crdt.Scope
	Took    replica.Took // what came of it
	Refusal *reconcile.Refusal
}

// Inspect looks at what is on a stick, and changes nothing.
func (b *Bundles) Inspect(s *Stick) ([]File, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inspect(s)
}

func (b *Bundles) inspect(s *Stick) ([]File, error) {
	found, err := s.List()
	if err != nil {
		return nil, err
	}
	ours := b.ours()
	files := make([]File, len(found))
	for i, f := range found {
		files[i] = File{Found: f}
		if to, own := ours[strings.ToUpper(f.Name)]; own && !f.Partial && !f.Irregular {
			files[i].State, files[i].To, files[i].Readers = Ours, to, len(to)
			continue
		}
		b.look(s, &files[i])
	}
	return files, nil
}

// maxParts is how many parts of a bundle are recognised as written here.
const maxParts = 512

// ours are the names that this device gives: for each reader, and for any two of few.
func (b *Bundles) ours() map[string][]crdt.Device {
	var devices []crdt.Device
	for _, c := range b.cfg.Directory.All() {
		if c.Device != b.own && c.HPKEKey != nil {
			devices = append(devices, c.Device)
		}
	}
	slices.SortFunc(devices, func(a, b crdt.Device) int { return bytes.Compare(a[:], b[:]) })
	sets := [][]crdt.Device{devices}
	for i, d := range devices {
		sets = append(sets, []crdt.Device{d})
		for _, e := range devices[i+1:] {
			if len(devices) <= MaxReaders {
				sets = append(sets, []crdt.Device{d, e})
			}
		}
	}
	names := map[string][]crdt.Device{}
	for _, set := range sets {
		for part := range uint64(maxParts) {
			names[b.name.name(set, part)] = set
		}
	}
	return names
}

// look finds out what a file is, and gives what it holds if it is for this device.
func (b *Bundles) look(s *Stick, f *File) *Content {
	switch {
	case f.Irregular:
		f.State = Irregular
		return nil
	case f.Partial:
		f.State = Partial
		return nil
	}
	raw, err := s.Read(f.Name)
	if err != nil {
		f.State = Unread
		if errors.Is(err, ErrFormat) {
			f.State = Unknown
		} else if errors.Is(err, errIrregular) {
			f.State = Irregular
		}
		return nil
	}
	sealed, err := Parse(raw)
	if err == nil {
		f.Readers = sealed.Readers
		if b.cfg.Key == nil {
			f.State = Foreign
			return nil
		}
		var c *Content
		if c, err = sealed.Open(b.cfg.Key, b.cfg.Directory); err == nil {
			f.State, f.By, f.Counter, f.Part, f.Last, f.Entries, f.Scopes = Ready, c.By, c.Counter, c.Part, c.Last, c.Entries, c.Scopes
			return c
		}
	}
	f.State = stateOf(err)
	return nil
}

func stateOf(err error) State {
	switch {
	case errors.Is(err, ErrShort):
		return Short
	case errors.Is(err, ErrForeign):
		return Foreign
	case errors.Is(err, ErrAltered):
		return Altered
	case errors.Is(err, identity.ErrCertificate):
		return Stranger
	}
	return Unknown
}

// Imported is what came of a stick.
type Imported struct {
	Files             []File
	Entries, Receipts int
	// Answers are what is to be said to those whose bundles were taken.
	Answers map[crdt.Device]reconcile.Answer
}

// Import takes in all that is for this device, on the stick and among what waits, and
// removes from the stick what was written here and has arrived. It may be done any
// number of times. An error is this node's own; what was taken before it is durable.
func (b *Bundles) Import(ctx context.Context, s *Stick) (Imported, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.imports(ctx, s)
}

// source is a file and the stick that it is on.
type source struct {
	*File
	on *Stick
}

func (b *Bundles) imports(ctx context.Context, s *Stick) (out Imported, err error) {
	if b.cfg.Key == nil {
		return out, fmt.Errorf("import: own certificate: %w", ErrNoKey)
	}
	out.Answers = map[crdt.Device]reconcile.Answer{}
	if out.Files, err = b.inspect(s); err != nil {
		return out, err
	}
	kept, err := b.openWaiting()
	if err != nil {
		return out, err
	}
	var waiting []File
	if kept != nil {
		defer func() { err = errors.Join(err, kept.Close()) }()
		if waiting, err = b.inspect(kept); err != nil {
			return out, err
		}
	}
	var all []source
	for i := range waiting {
		all = append(all, source{&waiting[i], kept})
	}
	for i := range out.Files {
		all = append(all, source{&out.Files[i], s})
	}
	if err := b.takeAll(ctx, all, &out); err != nil {
		return out, err
	}
	return out, b.keepWaiting(s, kept, out.Files, waiting)
}

// takeAll takes in what can be: in the order in which it was written, and again as long
// as something came that others may rest on.
func (b *Bundles) takeAll(ctx context.Context, all []source, out *Imported) error {
	all = slices.DeleteFunc(all, func(f source) bool { return f.State != Ready })
	slices.SortStableFunc(all, func(a, b source) int {
		return cmp.Or(bytes.Compare(a.By[:], b.By[:]), cmp.Compare(a.Counter, b.Counter), cmp.Compare(a.Part, b.Part))
	})
	for again := true; again; {
		again = false
		for _, f := range all {
			if f.State != Ready && f.State != Waiting {
				continue
			}
			took, err := b.take(ctx, f)
			if err != nil {
				return err
			}
			out.Entries, out.Receipts = out.Entries+took.Entries, out.Receipts+took.Receipts
			again = again || took.Entries+took.Receipts+took.Pieces > 0
		}
		again = again && slices.ContainsFunc(all, func(f source) bool { return f.State == Waiting })
	}
	for _, f := range all {
		if f.State != Refused {
			out.Answers[f.By] = out.Answers[f.By].Join(f.Took.Answer)
		}
	}
	return nil
}

func (b *Bundles) take(ctx context.Context, f source) (replica.Took, error) {
	c := b.look(f.on, f.File) // once more: nothing that was read before is relied on
	if c == nil {
		return replica.Took{}, nil
	}
	took, err := b.cfg.Exchange.Take(ctx, replica.Carrying{By: c.By, Certificate: c.Certificate, Counter: c.Counter, Scopes: c.Scopes, Messages: c.Messages})
	var refusal *reconcile.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Code != reconcile.Unavailable:
		f.State, f.Refusal = Refused, refusal
	case err != nil:
		return took, fmt.Errorf("take a bundle of device %s in: %w", c.By, err)
	case took.Answer.Lacking():
		f.State = Waiting
	default:
		f.State = Taken
	}
	f.Took.Entries, f.Took.Receipts, f.Took.Answer = f.Took.Entries+took.Entries, f.Took.Receipts+took.Receipts, took.Answer
	return took, nil
}

func (b *Bundles) openWaiting() (*Stick, error) {
	if b.cfg.Waiting == "" {
		return nil, nil
	}
	if err := os.MkdirAll(b.cfg.Waiting, 0o700); err != nil {
		return nil, fmt.Errorf("keep what waits: %w", err)
	}
	return OpenStick(b.cfg.Waiting)
}

// keepWaiting keeps what rests on something that hasn't come, as it is, and lets go of
// what waits no more.
func (b *Bundles) keepWaiting(s, kept *Stick, files, waiting []File) error {
	if kept == nil {
		return nil
	}
	n, size := 0, int64(0)
	for _, f := range waiting {
		if f.State != Waiting {
			if err := kept.Remove(f.Name); err != nil {
				return err
			}
			continue
		}
		n, size = n+1, size+f.Size
	}
	for i, f := range files {
		if f.State != Waiting {
			continue
		}
		raw, err := s.Read(f.Name)
		if err != nil {
			files[i].State = Unread
			continue
		}
		hash := sha256.Sum256(raw)
		name := nameOf(hash[:])
		if kept.Has(name) {
			continue
		}
		if n++; n > maxWaiting || size+f.Size > maxWaitingBytes {
			files[i].State = NoRoom
			continue
		}
		size += f.Size
		if err := kept.Write(name, raw); err != nil {
			return fmt.Errorf("keep a part that waits: %w", err)
		}
	}
	return nil
}

// removeArrived removes what was written here and is known to have arrived.
// What has no entries in it counts nothing as carried: a file is kept unless its readers
// were just written for, and there was nothing to say in it.
func (b *Bundles) removeArrived(s *Stick, files []File, out *Both) error {
	for i, f := range files {
		said := func(d crdt.Device) bool {
			e, asked := out.Exported[d]
			return !asked || out.Failed[d] != nil || e.More || slices.Contains(e.Files, strings.ToUpper(f.Name))
		}
		if f.State != Ours || slices.ContainsFunc(f.To, said) {
			continue
		}
		under := uint64(0)
		for _, d := range f.To {
			n, err := b.cfg.Exchange.Carried(d)
			if err != nil {
				return err
			}
			under += n
		}
		if under > 0 {
			continue
		}
		if err := s.Remove(f.Name); err == nil { // a stick may be for reading only
			files[i].State = Arrived
		}
	}
	return nil
}

// Both is what came of one press of the button: what the stick brought, and what it
// takes along to each reader.
type Both struct {
	Imported
	Exported map[crdt.Device]Exported
	Failed   map[crdt.Device]error // why nothing was written for a reader
}

// Swap takes in what is for this device, then writes the answers to those who wrote it,
// and what each of the others lacks: one bundle for each. It stops at the first trouble
// of this node; a stick that is full or can't be written on is told for each reader.
// after: what is written goes on where the last stick was full.
func (b *Bundles) Swap(ctx context.Context, s *Stick, to []crdt.Device, after bool) (out Both, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out.Exported, out.Failed = map[crdt.Device]Exported{}, map[crdt.Device]error{}
	if out.Imported, err = b.imports(ctx, s); err != nil {
		return out, err
	}
	for d := range out.Answers {
		if !slices.Contains(to, d) {
			to = append(to, d)
		}
	}
	slices.SortFunc(to, func(a, b crdt.Device) int { return bytes.Compare(a[:], b[:]) })
	for _, d := range slices.Compact(to) {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		answer, reply := out.Answers[d]
		done, err := b.export(ctx, s, Order{To: []crdt.Device{d}, After: after, Reply: reply, Answer: answer})
		out.Exported[d] = done
		if err != nil {
			out.Failed[d] = err
		}
	}
	if after {
		return out, nil
	}
	return out, b.removeArrived(s, out.Files, &out)
}
