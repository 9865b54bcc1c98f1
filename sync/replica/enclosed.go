package replica

import (
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// Parcels are Files that can go along with what is carried. A node whose Files aren't
// carries none, and takes none in.
type Parcels interface {
	Files
	// Named gives the attachments to which the entries of a segment point.
	Named(seg *wire.Segment) ([][32]byte, error)
	// Have gives how much of one lies here, and whether that is all.
	Have(hash [32]byte) (bytes uint64, whole bool, err error)
}

// owed is an attachment that is to go along with what is carried to a device, though
// the entries that point to it may not.
type owed struct {
	_     struct{} `cbor:",toarray"`
	Hash  [32]byte
	Has   uint64 // bytes that the device has, by its own word
	Sent  uint64 // where what was given to couriers ends
	Asked bool   // the device asked for it; else it had no room with its entries
	Whole bool   // it was given to a courier to its end
}

// Bounds of what is remembered of attachments that are owed to one device.
const (
	maxOwed   = 1024
	maxCounts = maxOwed*64 + 64
)

// parcel is the attachments of one writing.
type parcel struct {
	files Parcels // nil: none
	o     Order
	first []reconcile.Content
	r     *Replica
}

func newParcel(r *Replica, o Order) *parcel {
	files, _ := r.cfg.Files.(Parcels)
	return &parcel{files: files, o: o, first: o.Enclosed, r: r}
}

// owed begins with what is owed to a reader. What goes on where the last stick was full
// begins where that ends.
func (p *parcel) owed(all []owed) {
	if p.files == nil || p.o.From != nil { // an earlier part has begun with it
		return
	}
	for _, one := range all {
		switch {
		case len(p.o.To) > 1:
			p.first = append(p.first, reconcile.Content{Hash: one.Hash})
		case !p.o.After:
			p.first = append(p.first, reconcile.Content{Hash: one.Hash, Have: one.Has})
		case !one.Whole:
			p.first = append(p.first, reconcile.Content{Hash: one.Hash, Have: one.Sent})
		}
	}
}

// mostAsked is how many attachments one reader is asked for at a time.
const mostAsked = 64

// lacked is what the only reader is asked for, once in a bundle.
func (p *parcel) lacked() (all []reconcile.Content, err error) {
	if p.files == nil || p.o.From != nil || p.o.After || len(p.o.To) != 1 {
		return nil, nil
	}
	reader, ok := p.r.cfg.Directory.ByDevice(p.o.To[0])
	if !ok {
		return nil, nil
	}
	scopes := slices.DeleteFunc(slices.Clone(p.r.cfg.Scopes), func(s crdt.Scope) bool { return !reader.Covers(s) })
	except := map[[32]byte]bool{}
	for len(all) < mostAsked {
		c, err := p.files.Lacks(scopes, except)
		if err != nil || c == nil {
			return all, err
		}
		except[c.Hash] = true
		all = append(all, *c)
	}
	return all, nil
}

// enclose has what a segment points to go along.
func (d *drive) enclose(seg *wire.Segment) error {
	files, carries := d.r.cfg.Files.(Parcels)
	if !d.alone || !carries || seg == nil {
		return nil
	}
	named, err := files.Named(seg)
	for _, hash := range named {
		d.s.Enclose(reconcile.Content{Hash: hash})
	}
	return err
}

// keepEnclosed keeps a piece that was carried, as far as it isn't here.
func (d *drive) keepEnclosed(a reconcile.Append) error {
	files, carries := d.r.cfg.Files.(Parcels)
	if !carries {
		return reconcile.Refuse(reconcile.Unavailable, "attachments")
	}
	have, whole, err := files.Have(a.Hash)
	end := a.Offset + uint64(len(a.Bytes))
	switch {
	case err != nil:
		return err
	case whole || end <= have:
		return nil
	case a.Offset > have:
		return reconcile.Refuse(reconcile.Missing, "what is before it")
	}
	a.Bytes, a.Offset = a.Bytes[have-a.Offset:], have
	if !d.r.fetching.seize(d, a.Hash) {
		return reconcile.Refuse(reconcile.Unavailable, "another device sends it by now")
	}
	err = d.r.fetching.append(d, files, a)
	if err == nil {
		d.pieces++
	}
	return err
}

// seize claims one attachment for what is read, unless a session fetches it.
func (f *fetching) seize(d *drive, hash [32]byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := d.r.cfg.Now()
	if c, taken := f.by[hash]; taken && c.by != d && now.Sub(c.at) < fetchPatience {
		return false
	}
	f.by[hash] = claim{d, now}
	d.began = 1 // whose fault it is that the whole is wrong isn't known
	return true
}

// release lets others fetch what has come in part.
func (f *fetching) release(d *drive) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(d)
}

// carriedOwed is what is owed once w is on its way.
func carriedOwed(before []owed, w *Written) (now []owed) {
	left := map[[32]byte]uint64{}
	for _, c := range w.Enclosed {
		left[c.Hash] = c.Have
	}
	for _, one := range before {
		sent, unfinished := left[one.Hash]
		delete(left, one.Hash)
		if one.Whole = !unfinished; unfinished {
			one.Sent = sent
		}
		if unfinished || one.Asked {
			now = append(now, one)
		}
	}
	for _, c := range w.Enclosed {
		if _, fresh := left[c.Hash]; fresh && len(now) < maxOwed {
			now = append(now, owed{Hash: c.Hash, Sent: c.Have})
		}
	}
	return now
}

// askedOwed is what is owed by the newest word of a device: what it asks for, and what
// hasn't been given to a courier yet.
func askedOwed(before counts, counter uint64, asked []reconcile.Content) (now []owed) {
	for _, c := range asked {
		now = append(now, owed{Hash: c.Hash, Has: c.Have, Sent: c.Have, Asked: true})
	}
	for _, one := range before.Owed {
		known := slices.ContainsFunc(now, func(n owed) bool { return n.Hash == one.Hash })
		if again := one.Asked && counter == before.In; !known && (again || !one.Whole) {
			now = append(now, one)
		}
	}
	return now
}
