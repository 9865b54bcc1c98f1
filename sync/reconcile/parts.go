package reconcile

func (s *Session) takeFirst(m *firstPart, size int) {
	if !s.first && m.Lane != laneControl {
		return // it is dropped, or out of order, which the first word will show
	}
	in := s.incoming(int(m.Lane))
	switch {
	case m.Offset == 0:
		if in.kept > 0 {
			s.in.unstage = append(s.in.unstage, m.Lane)
		}
		*in = incoming{Staged: Staged{Lane: m.Lane, Name: m.Name, Total: m.Total}}
	case in.open || in.Name != m.Name || in.Total != m.Total || uint64(in.kept) != m.Offset:
		s.Refuse(Refuse(Order, "lane %d goes on at %d with what is not there", m.Lane, m.Offset))
		return
	}
	in.Bytes, in.open = in.Bytes[:m.Offset:m.Offset], true
	s.takePart(int(m.Lane), m.Bytes, size)
}

func (s *Session) takePart(lane int, b []byte, size int) {
	in := s.incoming(lane)
	if !in.open && !s.first {
		return // of what is dropped
	}
	if !in.open || uint64(len(b)) > in.Total-uint64(len(in.Bytes)) {
		s.Refuse(Refuse(Order, "lane %d: a part of nothing", lane))
		return
	}
	in.Bytes = append(in.Bytes, b...)
	if s.first {
		s.in.unacked += size
		s.in.other = true
	}
	if uint64(len(in.Bytes)) < in.Total {
		return
	}
	whole := in.Staged
	if in.kept > 0 {
		s.in.unstage = append(s.in.unstage, uint8(lane))
	}
	*in = incoming{}
	if hashOf(whole.Bytes) != whole.Name {
		s.Refuse(Refuse(Malformed, "an item on lane %d that is not the one announced", lane))
		return
	}
	s.takeWholeItem(whole.Bytes, lane)
}

// incoming is what comes on a lane.
func (s *Session) incoming(lane int) *incoming {
	if !s.first {
		return &s.in.hello
	}
	return &s.in.lanes[lane]
}

// takeWholeItem takes a message in that came in parts: an item, or a long hello.
func (s *Session) takeWholeItem(b []byte, lane int) {
	m, refusal := decode(b)
	if refusal != nil {
		s.Refuse(refusal)
		return
	}
	kind, _ := kindOf(b)
	switch {
	case kind == kindHello && lane == laneControl:
		s.takeHello(m.(*hello))
	case s.dropped(kind):
	case !isItem(kind):
		s.Refuse(Refuse(Order, "kind %d in parts", kind))
	case !s.first:
		s.Refuse(Refuse(Order, "kind %d before hello", kind))
	default:
		s.came(m, 0)
	}
}
