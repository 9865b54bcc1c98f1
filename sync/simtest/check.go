package simtest

import (
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// What holds at any time.

func (w *World) inspectAll() {
	for _, m := range w.machines {
		w.inspect(m)
	}
}

// inspect looks at one machine, and holds it to everything that was ever seen.
func (w *World) inspect(m *Machine) {
	if w.err != nil || m.evil {
		return
	}
	if w.thief != nil {
		w.inspectStaged(m, w.thief.id)
	}
	for _, scope := range w.allScopes() {
		heads, err := m.store.Heads(scope)
		if !w.must(m, err) {
			return
		}
		for _, log := range sortedLogs(heads) {
			w.inspectLog(m, log, heads[log])
		}
		if m.covers(scope) {
			w.inspectHigh(m, scope, heads)
			w.inspectReceipts(m, scope)
		}
	}
}

func (w *World) allScopes() []crdt.Scope { return append(slices.Clone(communes), foreign) }

// inspectLog: nobody holds what he isn't certified for, nor anything of those by
// whom nothing may be believed; and a log is the same everywhere, from its beginning on.
func (w *World) inspectLog(m *Machine, log crdt.LogID, head crdt.Head) {
	w.inspectEnded(m, log, head)
	switch {
	case !m.covers(log.Scope):
		w.fail("%s holds %v and isn't certified for its scope", m, log)
		return
	case w.poison[log.Device]:
		w.fail("%s holds %v, of a device that nobody certified", m, log)
		return
	case w.forked[log.Device]:
		return
	}
	if author := w.honest(log.Device); author != nil {
		if hash, held, _ := author.store.HashAt(log, head.Seq); !held || hash != head.Hash {
			w.fail("%s holds entry %d of %v, which %s never wrote", m, head.Seq, log, author)
			return
		}
	}
	at := w.seen[log]
	if at == nil {
		at = map[uint64]crdt.Hash{}
		w.seen[log] = at
	}
	for seq := head.Seq; seq > 0; seq-- {
		hash, held, err := m.store.HashAt(log, seq)
		if !w.must(m, err) {
			return
		}
		first, met := at[seq]
		switch {
		case !held:
			w.fail("%s: its head of %v is %d, and it lacks entry %d", m, log, head.Seq, seq)
			return
		case met && first != hash:
			w.fail("%s holds another entry %d of %v than others do", m, seq, log)
			return
		case met && at[head.Seq] == head.Hash && seq < head.Seq:
			return // each hash stands for all before it
		}
		at[seq] = hash
	}
}

// inspectHigh: what a machine once held it holds, unless an old disk was put back.
func (w *World) inspectHigh(m *Machine, scope crdt.Scope, heads map[crdt.LogID]crdt.Head) {
	for _, log := range sortedLogs(m.high) {
		before := m.high[log]
		if log.Scope != scope || w.forked[log.Device] {
			continue
		}
		if now := heads[log]; now.Seq < before.Seq {
			w.fail("%s held %v up to %d and holds it up to %d", m, log, before.Seq, now.Seq)
		}
	}
	for log, head := range heads {
		m.high[log] = head
	}
}

// inspectReceipts: whoever holds a receipt holds what it names, and so does who
// signed it.
func (w *World) inspectReceipts(m *Machine, scope crdt.Scope) {
	receipts, err := m.store.Receipts(scope)
	if !w.must(m, err) {
		return
	}
	for _, r := range receipts {
		if w.poison[r.Signer] {
			w.fail("%s holds a receipt of %v, which nobody certified", m, r.Signer)
		}
		for _, h := range r.Heads {
			if w.forked[h.Log.Device] || m.lost {
				continue
			}
			if hash, held, _ := m.store.HashAt(h.Log, h.Head.Seq); !held || hash != h.Head.Hash {
				w.fail("%s holds a receipt of %v for entry %d of %v, and not the entry", m, r.Signer, h.Head.Seq, h.Log)
			}
			w.inspectSigner(m, r.Signer, h.Log, h.Head)
		}
	}
}

func (w *World) inspectSigner(holder *Machine, signer crdt.Device, log crdt.LogID, head crdt.Head) {
	m := w.honest(signer)
	if m == nil {
		return
	}
	if hash, held, _ := m.store.HashAt(log, head.Seq); !held || hash != head.Hash {
		w.fail("%s holds a receipt of %s for entry %d of %v, which %s doesn't hold", holder, m, head.Seq, log, m)
	}
}

// honest is the machine of a device that holds all that it ever wrote; nil if there
// is none.
func (w *World) honest(d crdt.Device) *Machine {
	i := slices.IndexFunc(w.machines, func(o *Machine) bool { return o.id == d && !o.lost && !o.evil })
	if i < 0 {
		return nil
	}
	return w.machines[i]
}

func sortedLogs(heads map[crdt.LogID]crdt.Head) []crdt.LogID {
	logs := make([]crdt.LogID, 0, len(heads))
	for log := range heads {
		logs = append(logs, log)
	}
	slices.SortFunc(logs, crdt.LogID.Compare)
	return logs
}
