package reconcile

// Attachments in a bundle. Nobody asks while one is written, so those go along to which
// the entries in it point, and those that the reader's last bundle asked for: piece by
// piece, after everything else. Whoever reads them keeps what goes on from what lies
// there, and asks in its answer for what is still lacking.

// maxEnclosed bounds the attachments of one writing, and maxAsked what is asked for.
const (
	maxEnclosed = 4096
	maxAsked    = 64
)

// chunkFrame is what a piece takes beside its bytes, at most, and minPiece the least
// that is worth a message.
const (
	chunkFrame = MessageFrame + 64
	minPiece   = 512
)

// Enclose adds an attachment to a writing, from what the reader is taken to have of it on.
func (s *Session) Enclose(c Content) {
	a := s.alone
	if len(a.enclosed) >= maxEnclosed {
		return
	}
	for _, before := range a.enclosed {
		if before.Hash == c.Hash {
			return
		}
	}
	a.enclosed = append(a.enclosed, c)
}

// Enclosed are the attachments of a writing that aren't in it to their end, and from
// where on they are missing.
func (s *Session) Enclosed() []Content { return s.alone.enclosed }

// Enclosures is how many attachments a writing has to their end.
func (s *Session) Enclosures() int { return s.alone.whole }

// enclose writes the next piece. It says whether there was anything to do.
func (a *alone) enclose() bool {
	if len(a.enclosed) == 0 {
		return false
	}
	most := min(MaxChunk, a.room-chunkFrame)
	if most < minPiece {
		a.full = true
		return true
	}
	next := a.enclosed[0]
	a.s.question(Fetch{Scopes: a.s.scopes, Hash: next.Hash, Offset: next.Have, Max: most}, nil)
	return true
}

// fetched writes what Fetch gave. What isn't held here, the reader gets from others.
func (a *alone) fetched(b []byte, total uint64) {
	if !a.writing || len(a.enclosed) == 0 {
		return
	}
	next := &a.enclosed[0]
	if len(b) == 0 {
		a.enclosed = a.enclosed[1:]
		return
	}
	m, err := encode(chunk{Kind: kindContent, Hash: next.Hash, Offset: next.Have, Total: total, Bytes: b})
	if err != nil {
		a.s.Refuse(Refuse(Unavailable, "an attachment that can't be encoded"))
		return
	}
	a.room -= len(m) + MessageFrame
	a.wrote++
	a.s.add(m)
	if next.Have += uint64(len(b)); next.Have >= total {
		a.enclosed = a.enclosed[1:]
		a.whole++
	}
}

// takeChunk keeps a piece. One that goes on from what isn't here yet, or to which
// nothing here points yet, is to be read again when that has come.
func (a *alone) takeChunk(m *chunk) {
	s := a.s
	s.question(Append{Hash: m.Hash, Offset: m.Offset, Total: m.Total, Bytes: m.Bytes}, func() {
		switch {
		case s.no == nil || a.old && s.no.Code == Missing:
		case s.no.Code == Missing:
			a.answer.Unread++
		case s.no.Code == Unavailable: // it comes by another way, or there is no room for it now
		case len(a.answer.Refused) < maxAnswer:
			a.answer.Refused = append(a.answer.Refused, Declined{Refusal: s.no})
		}
	})
}
