package reconcile

import (
	"cmp"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// sending is the half of a session that goes to the peer.
type sending struct {
	given map[crdt.LogID]Known // what the peer holds, by its own word
	sent  map[crdt.LogID]Known // ... or will once it has taken what was sent
	told  map[crdt.Device]Hash // the certificate that it has of a device

	decidedSure, decided map[crdt.Scope]Decided // the same of checkpoints
	chainless            map[crdt.Scope]bool    // there is no chain that the peer would believe

	toldAgain map[crdt.Device]bool // certificates that it turned out not to have

	doubt []Doubt // sent in the last session, and perhaps not taken

	current    [Lanes]*item
	flight     []*item // whole on the line and not acknowledged, oldest first
	count      uint64  // items that are whole on the line
	acked      uint64  // those that the peer is known to have taken
	staged     [Lanes]staged
	unfinished map[uint8]Span
	wanted     map[crdt.LogID]Span // to be sent again
	whole      map[crdt.LogID]bool // nothing is left out of its next segments
	heads      uint8               // to be stated
	plan       *plan               // what is due; nil: to be worked out
	higher     int                 // bytes since the lowest lane had a frame
}

func newSending() sending {
	return sending{
		given: map[crdt.LogID]Known{}, sent: map[crdt.LogID]Known{}, told: map[crdt.Device]Hash{}, toldAgain: map[crdt.Device]bool{},
		decidedSure: map[crdt.Scope]Decided{}, decided: map[crdt.Scope]Decided{}, chainless: map[crdt.Scope]bool{},
		unfinished: map[uint8]Span{}, wanted: map[crdt.LogID]Span{}, whole: map[crdt.LogID]bool{},
	}
}

// item is a message that is counted, on its way.
type item struct {
	bytes   []byte
	lane    int
	from    int // where it began: the peer had staged so much
	at      int // sent so far
	acked   int
	ordinal uint64
	next    *item // on the same lane, that rests on it

	row     Row        // of a segment: how far the peer will hold a log
	of      crdt.LogID // the log that its entries are of
	after   uint64     // the seq below it
	receipt *identity.Receipt
	before  uint64      // the weight of the one that the peer had
	device  crdt.Device // of a certificate
	cert    Hash
	decided map[crdt.Scope]Decided // of checkpoints, and of a group's certificate
}

// Row is a log and how far it goes.
type Row struct {
	Log crdt.LogID
	Known
}

// inFlight is how many bytes were sent and not acknowledged.
func (o *sending) inFlight() (n int) {
	for _, it := range o.flight {
		n += len(it.bytes) - max(it.from, it.acked)
	}
	for _, it := range o.current {
		if it != nil {
			n += it.at - max(it.from, it.acked)
		}
	}
	return n
}

// plan is what the peer lacks.
type plan struct {
	logs     [Lanes][]crdt.LogID // the most urgent first
	groups   []crdt.Scope        // whose hub's group the peer doesn't know
	chains   []crdt.Scope        // of which it lacks checkpoints
	devices  []crdt.Device       // whose certificate the peer has in an older form
	receipts []*identity.Receipt
	weighed  bool // receipts is up to date
}

// fill puts into the batch what is to be said now; something may have to be asked
// for first.
func (s *Session) fill() {
	most := min(batchBytes, s.config.Window/8)
	for s.ask == nil && s.refusal == nil && s.size < most {
		switch {
		case len(s.outbox) > 0:
			s.flush()
		case s.ackDue(ackAlone, ackBusy):
			s.acknowledge()
		case s.nextFrame():
		case s.speak():
		case s.drop():
		case s.seek():
		default:
			return
		}
	}
}

// batchBytes is how much is handed to the carrier at once, where its window isn't small:
// what is urgent has to wait until it is taken.
const batchBytes = 32 << 10

func (s *Session) flush() {
	s.add(s.outbox[0])
	s.outbox = s.outbox[1:]
}

func (s *Session) add(frame []byte) {
	s.batch = append(s.batch, frame)
	s.size += len(frame)
}

// nextFrame sends a frame of an item, or begins one. It says whether there was
// anything to do.
func (s *Session) nextFrame() bool {
	if s.out.inFlight() >= s.config.Window {
		return false
	}
	lane, lowest := -1, -1
	for i := range Lanes {
		if s.due(i) {
			if lane < 0 {
				lane = i
			}
			lowest = i
		}
	}
	if lane < 0 {
		return false
	}
	if s.out.higher >= 9*MaxFrame {
		lane = lowest
	}
	if s.out.current[lane] == nil {
		s.begin(lane)
		return true
	}
	if s.ackDue(ackBeside, ackBeside) {
		s.acknowledge()
		if s.ask != nil {
			return true
		}
	}
	n := s.sendOn(lane)
	if lane == lowest {
		s.out.higher = 0
	} else {
		s.out.higher += n
	}
	return true
}

// due says whether there is something for a lane.
func (s *Session) due(lane int) bool {
	switch {
	case s.overBudget() && lane > 1:
		return false
	case s.out.current[lane] != nil:
		return true
	case s.parting.unread: // what has which name will be read when no frame waits
		return false
	case !s.informed: // heads are all that may be sent
		return lane == laneControl && s.out.heads > 0
	case !s.first && s.cautious():
		return false
	}
	p := s.planned()
	switch {
	case len(p.logs[lane]) > 0:
		return true
	case lane == laneControl:
		return s.out.heads > 0 || len(p.groups)+len(p.chains)+len(p.devices) > 0 || len(s.receiptsDue()) > 0
	case lane == laneContent:
		return len(s.content.asked) > 0
	}
	return false
}

func (s *Session) overBudget() bool {
	return s.late || s.config.Budget.Bytes > 0 && s.used > s.config.Budget.Bytes
}

// cautious says whether nothing is sent before the peer has said what it took of
// the last session, and what lies there of items that weren't sent whole.
func (s *Session) cautious() bool {
	return len(s.out.doubt)+len(s.out.unfinished) > 0 || s.config.Memory.Live
}

// hasMore says whether items follow what was said.
func (s *Session) hasMore() bool {
	if s.cautious() {
		return true
	}
	for lane := range laneContent {
		if s.due(lane) {
			return true
		}
	}
	return false
}

// planned works out what the peer lacks, most urgent first: a segment that was begun
// before the others of its lane, and branches after the logs that they left.
func (s *Session) planned() *plan {
	if s.out.plan != nil {
		return s.out.plan
	}
	p := &plan{}
	for _, scope := range s.scopes {
		if s.lacksGroup(scope) {
			p.groups = append(p.groups, scope)
		}
		if s.lacksCheckpoint(scope) {
			p.chains = append(p.chains, scope)
		}
		for log := range s.view[scope].Heads {
			if s.lacks(log) {
				lane := log.Class & 3
				p.logs[lane] = append(p.logs[lane], log)
			}
		}
		for _, d := range s.devices(scope) {
			if told, ok := s.out.told[d]; ok && told != s.certificate(d) && !slices.Contains(p.devices, d) {
				p.devices = append(p.devices, d)
			}
		}
	}
	for lane := range p.logs {
		begun := s.out.unfinished[uint8(lane)].Log
		slices.SortFunc(p.logs[lane], func(a, b crdt.LogID) int {
			return cmp.Or(-cmp.Compare(flag(a == begun), flag(b == begun)), a.Compare(b))
		})
	}
	s.out.plan = p
	return p
}

// lacks says whether the peer is to be sent something of a log.
func (s *Session) lacks(log crdt.LogID) bool {
	if _, wanted := s.out.wanted[log]; wanted {
		return true
	}
	return !s.parting.busy(log) && s.upTo(log) > s.out.sent[log].Seq
}

// upTo is how far the peer is to have a log.
func (s *Session) upTo(log crdt.LogID) uint64 {
	head := s.head(log).Seq
	if h, ok := s.held[log]; ok {
		return min(h.UpTo, head)
	}
	return head
}

// begin makes the next item of a lane.
func (s *Session) begin(lane int) {
	if lane == laneControl && s.out.heads > 0 {
		s.state()
		return
	}
	p := s.planned()
	switch {
	case lane == laneControl && len(p.groups) > 0:
		s.sendGroup(p.groups[0])
	case lane == laneControl && len(p.chains) > 0:
		s.askChain(p.chains[0])
	case lane == laneControl && len(p.devices) > 0:
		d := p.devices[0]
		p.devices = p.devices[1:]
		s.put(lane, s.certify(d))
	case lane == laneContent:
		s.sendContent()
	case len(p.logs[lane]) > 0:
		s.readNext(p.logs[lane][0])
	default:
		s.passReceipt()
	}
}

// put makes an item, and those that rest on it, the next of a lane.
func (s *Session) put(lane int, it *item) {
	if it == nil || s.refusal != nil {
		return
	}
	for i := it; i != nil; i = i.next {
		i.lane = lane
	}
	s.out.current[lane] = it
}

// resting puts the certificate before an item that rests on it, if the peer hasn't
// got that.
func (s *Session) resting(d crdt.Device, it *item) *item {
	if told := s.out.told[d]; d == s.own.Device || d == s.peer.Device || told != (Hash{}) && told == s.certificate(d) {
		return it
	}
	cert := s.certify(d)
	if cert != nil {
		cert.next = it
	}
	return cert
}

func (s *Session) certify(d crdt.Device) *item {
	cert, ok := s.config.Known(d)
	if !ok {
		s.Refuse(Refuse(Unavailable, "device %s: no certificate is stored", d))
		return nil
	}
	b, err := encode(carrier{Kind: kindCertificate, Item: cert})
	if err != nil {
		s.Refuse(Refuse(Unavailable, "device %s: a certificate that can't be encoded", d))
		return nil
	}
	return &item{bytes: b, device: d, cert: hashOf(cert)}
}

// sendOn sends the next frame of a lane's item, and gives its length.
func (s *Session) sendOn(lane int) int {
	it := s.out.current[lane]
	frame := it.bytes
	if len(it.bytes) > MaxFrame && s.alone == nil {
		frame = s.partOf(it)
	} else {
		it.at = len(it.bytes)
	}
	if frame == nil {
		return 0
	}
	s.add(frame)
	if it.at == len(it.bytes) {
		s.sentWhole(it)
	}
	return len(frame)
}

// Room for an item's bytes in a frame.
const (
	firstPartBytes = MaxFrame - 48
	partBytes      = MaxFrame - 8
)

func (s *Session) partOf(it *item) []byte {
	var m any
	if it.at > it.from {
		end := min(it.at+partBytes, len(it.bytes))
		m = part{Kind: kindPart, Lane: uint8(it.lane), Bytes: it.bytes[it.at:end]}
		it.at = end
	} else {
		name := hashOf(it.bytes)
		if st := s.out.staged[it.lane]; st.Name == name && st.Total == uint64(len(it.bytes)) && st.Bytes < st.Total {
			it.from, it.acked = int(st.Bytes), int(st.Bytes)
		}
		end := min(it.from+firstPartBytes, len(it.bytes))
		m = firstPart{
			Kind: kindPart, Lane: uint8(it.lane), Bytes: it.bytes[it.from:end], Total: uint64(len(it.bytes)), Name: name, Offset: uint64(it.from),
		}
		it.at = end
		s.out.staged[it.lane] = staged{}
	}
	frame, err := encode(m)
	if err != nil {
		s.Refuse(Refuse(Unavailable, "a part that can't be encoded"))
	}
	return frame
}

// cut gives a first word as the frames that it takes.
func cut(b []byte) (frames [][]byte) {
	if len(b) <= MaxFrame {
		return [][]byte{b}
	}
	end := firstPartBytes
	frames = append(frames, mustEncode(firstPart{Kind: kindPart, Bytes: b[:end], Total: uint64(len(b)), Name: hashOf(b)}))
	for end < len(b) {
		next := min(end+partBytes, len(b))
		frames = append(frames, mustEncode(part{Kind: kindPart, Bytes: b[end:next]}))
		end = next
	}
	return frames
}

// mustEncode encodes what holds nothing but numbers and strings, which never fails.
func mustEncode(m any) []byte {
	b, _ := wire.Marshal(m)
	return b
}

// sentWhole notes that an item is whole on the line.
func (s *Session) sentWhole(it *item) {
	o := &s.out
	o.count++
	it.ordinal = o.count
	o.flight = append(o.flight, it)
	o.current[it.lane] = it.next
	if it.next == nil {
		o.staged[it.lane] = staged{}
	}
	switch {
	case it.row.Seq > 0:
		o.sent[it.row.Log] = it.row.Known
		delete(o.unfinished, uint8(it.lane))
	case it.receipt != nil:
		l := s.lanes[it.receipt.Scope]
		l.given[it.receipt.Signer] = weight(it.receipt)
		if it.receipt.Signer == s.own.Device {
			l.base, l.again = it.receipt, false
			s.in.covered(it.receipt)
			if s.alone != nil {
				s.alone.signed = append(s.alone.signed, it.receipt.Scope)
			}
		}
	case it.cert != (Hash{}):
		o.told[it.device] = it.cert
	case it.decided != nil:
		it.onto(o.decided)
		o.plan = nil
	}
	s.replan(it)
}

// replan takes out of the plan what the peer will have, now that an item is whole
// on the line.
func (s *Session) replan(it *item) {
	p := s.out.plan
	if p == nil {
		return
	}
	p.weighed = false
	if log := it.row.Log; it.row.Seq > 0 && !s.lacks(log) {
		p.logs[it.lane] = slices.DeleteFunc(p.logs[it.lane], func(l crdt.LogID) bool { return l == log })
	}
}
