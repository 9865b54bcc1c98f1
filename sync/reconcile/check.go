package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

func (m *hello) check() error {
	if len(m.Scopes) == 0 || len(m.Scopes) > identity.MaxScopes {
		return fmt.Errorf("%d scopes", len(m.Scopes))
	}
	return errors.Join(goodScopes(m.Scopes), rising(m.Scopes, cmp.Compare[string]))
}

func goodScopes(scopes []string) error {
	for _, s := range scopes {
		if len(s) == 0 || len(s) > crdt.MaxScope {
			return fmt.Errorf("a scope of %d bytes", len(s))
		}
	}
	return nil
}

func (m *resume) check() error {
	if m.More > 1 {
		return errors.New("a flag that is neither 0 nor 1")
	}
	return nil
}

func (m *part) check() error { return checkPart(m.Lane, m.Bytes) }

func (m *firstPart) check() error {
	if m.Total > maxTotal(m.Lane) || m.Offset > m.Total || uint64(len(m.Bytes)) > m.Total-m.Offset {
		return fmt.Errorf("%d bytes from %d of an item of %d", len(m.Bytes), m.Offset, m.Total)
	}
	return checkPart(m.Lane, m.Bytes)
}

func checkPart(lane uint8, b []byte) error {
	if lane >= Lanes || len(b) == 0 {
		return fmt.Errorf("%d bytes on lane %d", len(b), lane)
	}
	return nil
}

func maxTotal(lane uint8) uint64 {
	switch lane {
	case laneControl:
		return MaxItem
	case laneContent:
		return MaxChunk + 128
	}
	return MaxSegmentItem
}

func (m *ack) check() error {
	if len(m.Parts) > Lanes {
		return fmt.Errorf("%d lanes", len(m.Parts))
	}
	return nil
}

func (m *refuse) check() error  { return checkTexts(m.VI, m.EN, m.Where) }
func (m *refused) check() error { return checkTexts(m.VI, m.EN, m.Where) }

func checkTexts(vi, en, where string) error {
	if len(vi) > MaxReason || len(en) > MaxReason || len(where) > MaxWhere {
		return errors.New("a text that is too long")
	}
	return nil
}

func (m *want) check() error {
	if m.From == 0 || m.To > 0 && m.To < m.From {
		return fmt.Errorf("entries %d to %d", m.From, m.To)
	}
	return nil
}

func (m *probe) check() error {
	if len(m.At) == 0 || len(m.At) > probePlaces {
		return fmt.Errorf("%d places", len(m.At))
	}
	return rising(m.At, func(a, b place) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (m *heads) check() error {
	for _, s := range m.Scopes {
		if err := s.check(); err != nil {
			return err
		}
	}
	return rising(m.Scopes, func(a, b scopeHeads) int { return cmp.Compare(a.Scope, b.Scope) })
}

func (s *scopeHeads) check() error {
	logs := 0
	for _, d := range s.Devices {
		logs += len(d.Logs)
		if err := rising(d.Logs, func(a, b logHead) int {
			return cmp.Or(cmp.Compare(a.Class, b.Class), slices.Compare(a.Incarnation[:], b.Incarnation[:]))
		}); err != nil {
			return err
		}
	}
	if logs > MaxLogs || len(s.Receipts) > MaxSigners {
		return fmt.Errorf("%d logs, %d receipts", logs, len(s.Receipts))
	}
	return errors.Join(
		s.Checkpoint.check(),
		rising(s.Devices, func(a, b deviceHeads) int { return slices.Compare(a.Device[:], b.Device[:]) }),
		rising(s.Receipts, func(a, b receiptWeight) int { return slices.Compare(a.Signer[:], b.Signer[:]) }),
	)
}

func (m *staged) check() error {
	if m.Lane >= Lanes || m.Total > maxTotal(m.Lane) || m.Bytes > m.Total {
		return fmt.Errorf("%d bytes of %d on lane %d", m.Bytes, m.Total, m.Lane)
	}
	return nil
}

func (m *delta) check() error {
	if len(m.Grown)%2 != 0 || len(m.Grown) > 2*MaxLogs {
		return fmt.Errorf("%d elements where logs and seqs stand", len(m.Grown))
	}
	return nil
}

func (m *chunk) check() error {
	n := uint64(len(m.Bytes))
	if n == 0 || n > MaxChunk || m.Total > MaxContent || m.Offset > m.Total || n > m.Total-m.Offset {
		return fmt.Errorf("%d bytes at %d of %d", n, m.Offset, m.Total)
	}
	return nil
}

func (m *level) check() error   { return nil }
func (m *found) check() error   { return nil }
func (m *get) check() error     { return nil }
func (m *whole) check() error   { return nil }
func (m *have) check() error    { return nil }
func (m *carrier) check() error { return nil } // its item's own package does
func (m *after) check() error   { return nil } // as here

// rising says whether a list is sorted with nothing in it twice.
func rising[T any](list []T, compare func(a, b T) int) error {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return errors.New("a list that is not sorted, or has one thing twice")
		}
	}
	return nil
}
