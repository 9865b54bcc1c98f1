package reconcile

import (
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Said is what a frame says, for tests to judge.
type Said struct {
	Kind    string
	Heads   []identity.LogHead // of a heads message or a receipt
	Signer  crdt.Device        // of a receipt
	Segment *wire.Segment
	Refusal *Refusal
}

// Parse says what a frame says.
func Parse(frame []byte) (Said, error) {
	m, refusal := decode(frame)
	if refusal != nil {
		return Said{}, refusal
	}
	switch m := m.(type) {
	case *hello:
		return Said{Kind: "hello"}, nil
	case *heads:
		said := Said{Kind: "heads"}
		for _, l := range m.Logs {
			said.Heads = append(said.Heads, identity.LogHead{Log: l.log(crdt.Scope(m.Scope)), Head: l.head()})
		}
		return said, nil
	case *refuse:
		return Said{Kind: "refuse", Refusal: &Refusal{Code: Code(m.Code), Reason: Text{m.VI, m.EN}, Where: m.Where}}, nil
	case *carrier:
		return readItem(m)
	}
	return Said{}, fmt.Errorf("message %T", m)
}

func readItem(m *carrier) (Said, error) {
	switch m.Kind {
	case kindSegment:
		s, err := wire.DecodeSegment(m.Item)
		return Said{Kind: "segment", Segment: s}, err
	case kindReceipt:
		r, err := identity.DecodeReceipt(m.Item)
		if err != nil {
			return Said{}, err
		}
		return Said{Kind: "receipt", Heads: r.Heads, Signer: r.Signer}, nil
	}
	return Said{Kind: "cert"}, nil
}

// Frames that tests need and no session would send.
func HeadsFrame(scope crdt.Scope, h Holding) ([]byte, error) { return encode(h.state(scope)) }
func CertificateFrame(b []byte) ([]byte, error) {
	return encode(carrier{Kind: kindCertificate, Item: b})
}
func SegmentFrame(b []byte) ([]byte, error) { return encode(carrier{Kind: kindSegment, Item: b}) }
func ReceiptFrame(b []byte) ([]byte, error) { return encode(carrier{Kind: kindReceipt, Item: b}) }

// Decode reads a frame and writes it again.
func Decode(frame []byte) (again []byte, ok bool) {
	m, refusal := decode(frame)
	if refusal != nil {
		return nil, false
	}
	again, err := encode(m)
	return again, err == nil
}
