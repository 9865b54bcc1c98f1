package reconcile

import (
	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Parsed is what a frame says, for tests to judge.
type Parsed struct {
	Kind    string
	Heads   []identity.LogHead // of a receipt
	Signer  crdt.Device        // of a receipt
	Refusal *Refusal
}

var kindNames = map[uint8]string{
	kindHello: "hello", kindResume: "resume", kindPart: "part", kindAck: "ack", kindLevel: "level", kindRefuse: "refuse",
	kindWant: "want", kindRefused: "refused", kindProbe: "probe", kindFound: "found", kindGet: "get", kindStaged: "staged",
	kindWhole: "whole", kindSegment: "segment", kindAfter: "after", kindReceipt: "receipt", kindDelta: "delta",
	kindCertificate: "cert", kindHeads: "heads", kindCheckpoint: "checkpoint", kindContent: "content", kindGroup: "group", kindHave: "have",
}

// Parse says what a frame says.
func Parse(frame []byte) (Parsed, error) {
	m, refusal := decode(frame)
	if refusal != nil {
		return Parsed{}, refusal
	}
	kind, _ := kindOf(frame)
	said := Parsed{Kind: kindNames[kind]}
	switch m := m.(type) {
	case *refuse:
		said.Refusal = &Refusal{Code: Code(m.Code), Reason: Text{m.VI, m.EN}, Where: m.Where}
	case *refused:
		said.Refusal = &Refusal{Code: Code(m.Code), Reason: Text{m.VI, m.EN}, Where: m.Where}
	case *carrier:
		if m.Kind == kindReceipt {
			r, err := identity.DecodeReceipt(m.Item)
			if err != nil {
				return said, err
			}
			said.Heads, said.Signer = r.Heads, r.Signer
		}
	}
	return said, nil
}

// Frames that tests need and no session would send.

// HelloFrame says who a device is.
func HelloFrame(cert []byte, format uint, scopes ...crdt.Scope) []byte {
	return mustEncode(hello{Kind: kindHello, Format: format, Certificate: cert, Scopes: scopeTexts(scopes), Counter: 1})
}

// HeadsFrame states that nothing is held, or what is.
func HeadsFrame(scope crdt.Scope, h Holding) []byte {
	s := &Session{view: View{scope: h}, scopes: []crdt.Scope{scope}, config: Config{Known: func(crdt.Device) ([]byte, bool) { return nil, false }}}
	return mustEncode(heads{Kind: kindHeads, Scopes: []scopeHeads{s.standing(scope, false)}})
}

// CertificateFrame, SegmentFrame and ReceiptFrame carry an item.
func CertificateFrame(b []byte) []byte { return mustEncode(carrier{Kind: kindCertificate, Item: b}) }
func SegmentFrame(b []byte) []byte     { return mustEncode(carrier{Kind: kindSegment, Item: b}) }
func ReceiptFrame(b []byte) []byte     { return mustEncode(carrier{Kind: kindReceipt, Item: b}) }

// WholeFrame asks for the own receipt of the first scope as a whole.
func WholeFrame() []byte { return mustEncode(whole{Kind: kindWhole}) }

// CutFrames gives an item as frames.
func CutFrames(lane uint8, b []byte) [][]byte {
	frames := cut(b)
	if len(frames) == 1 {
		return frames
	}
	for i, f := range frames {
		f[2] = lane
		frames[i] = f
	}
	return frames
}

// Frame encodes any message.
func Frame(m ...any) []byte { b, _ := wire.Marshal(m); return b }

// Decode reads a message and writes it again.
func Decode(frame []byte) (again []byte, ok bool) {
	m, refusal := decode(frame)
	if refusal != nil {
		return nil, false
	}
	if _, other := m.(ignored); other {
		return frame, true
	}
	again, err := wire.Marshal(m)
	return again, err == nil
}

// InParts gives any message as parts, however short.
func InParts(lane uint8, b []byte) [][]byte {
	return [][]byte{mustEncode(firstPart{Kind: kindPart, Lane: lane, Bytes: b, Total: uint64(len(b)), Name: hashOf(b)})}
}

// Longer is a message with an element more than this program knows.
func Longer(b []byte) []byte {
	c := append([]byte{b[0] + 1}, b[1:]...)
	return append(c, 0xf5)
}
