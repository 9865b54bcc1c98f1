package reconcile

import (
	"maps"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// weight is the number of entries that a receipt covers. A signer's heads only
// grow, so it orders the receipts of one signer and scope.
func weight(r *identity.Receipt) (entries uint64) {
	for _, h := range r.Heads {
		entries += h.Head.Seq
	}
	return entries
}

// Newer says whether a receipt takes the place of the one held of the same
// signer and scope (nil: none): it covers all that the other does, and more. A
// signer never goes back; if it seems to, its store was restored, and what it
// said before stands until it says more.
func Newer(r, held *identity.Receipt) bool {
	if held == nil {
		return true
	}
	lost := func(h identity.LogHead) bool { return !names(r, h.Log, h.Head.Seq) }
	return weight(r) > weight(held) && !slices.ContainsFunc(held.Heads, lost)
}

// Owes gives what a device is to sign a receipt for: all the heads that it
// holds, if there are entries of others among them that its own receipt doesn't
// name. Nobody needs its word for what it wrote itself. What it said before stands,
// also of a log that has a hole now: that is being filled, and claims nothing new.
func (h Holding) Owes(own crdt.Device) ([]identity.LogHead, bool) {
	said := h.receipt(own)
	standing := maps.Clone(h.Heads)
	if said != nil {
		for _, s := range said.Heads {
			if standing[s.Log].Seq < s.Head.Seq {
				standing[s.Log] = s.Head
			}
		}
	}
	var heads []identity.LogHead
	owes := false
	for _, log := range slices.SortedFunc(maps.Keys(standing), crdt.LogID.Compare) {
		head := standing[log]
		heads = append(heads, identity.LogHead{Log: log, Head: head})
		if log.Device != own && !names(said, log, head.Seq) {
			owes = true
		}
	}
	return heads, owes
}

func names(r *identity.Receipt, log crdt.LogID, seq uint64) bool {
	return r != nil && r.Covers(crdt.Dot{Log: log, Seq: seq})
}

func (h Holding) receipt(signer crdt.Device) *identity.Receipt {
	i := slices.IndexFunc(h.Receipts, func(r *identity.Receipt) bool { return r.Signer == signer })
	if i < 0 {
		return nil
	}
	return h.Receipts[i]
}
