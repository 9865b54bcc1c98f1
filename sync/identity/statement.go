package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/veraison/go-cose"
)

// statement is a kind of thing that an authority signs: a COSE_Sign1 message of a type
// and with external data of its own, so that a signature over one can't be passed off
// as one over another.
type statement struct{ name, typ, aad string }

// sign makes a statement of a payload.
func (st statement) sign(root ed25519.PrivateKey, payload []byte) ([]byte, error) {
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, root)
	if err != nil {
		return nil, err
	}
	m := st.message(Public(root), payload, nil)
	if err := m.Sign(nil, []byte(st.aad), signer); err != nil { // Ed25519 draws nothing
		return nil, err
	}
	b, err := m.MarshalCBOR()
	if err == nil && len(b) > MaxCertificate {
		err = fmt.Errorf("%w: %d bytes; at most %d", ErrCertificate, len(b), MaxCertificate)
	}
	return b, err
}

// open gives the payload of a statement that root has signed.
func (st statement) open(root ed25519.PublicKey, b []byte) ([]byte, error) {
	if len(b) > MaxCertificate {
		return nil, fmt.Errorf("%d bytes; at most %d", len(b), MaxCertificate)
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(b); err != nil {
		return nil, fmt.Errorf("not a COSE_Sign1 message: %w", err)
	}
	if err := st.checkHeaders(&m.Headers, root); err != nil {
		return nil, err
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, root)
	if err != nil {
		return nil, err
	}
	if err := m.Verify([]byte(st.aad), verifier); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return m.Payload, st.checkOneForm(root, &m, b)
}

// message is the only form that a statement has.
func (st statement) message(root ed25519.PublicKey, payload, signature []byte) *cose.Sign1Message {
	return &cose.Sign1Message{
		Headers: cose.Headers{
			Protected: cose.ProtectedHeader{
				cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA,
				cose.HeaderLabelKeyID:     keyID(root),
				cose.HeaderLabelType:      st.typ,
			},
			Unprotected: cose.UnprotectedHeader{},
		},
		Payload:   payload,
		Signature: signature,
	}
}

// keyID names an authority's key: the first 16 bytes of its SHA-256.
func keyID(key ed25519.PublicKey) []byte {
	h := sha256.Sum256(key)
	return h[:16]
}

// checkHeaders accepts just the three headers of a statement. go-cose lets `alg` be
// absent where there is external data, and leaves it to its caller to know the labels
// that `crit` names: here both are refused.
func (st statement) checkHeaders(h *cose.Headers, root ed25519.PublicKey) error {
	p := h.Protected
	if _, ok := p[cose.HeaderLabelCritical]; ok {
		return errors.New("critical headers that this program doesn't know")
	}
	if alg, err := p.Algorithm(); err != nil || alg != cose.AlgorithmEdDSA {
		return errors.New("algorithm is not EdDSA (-8)")
	}
	if typ, _ := p[cose.HeaderLabelType].(string); typ != st.typ {
		return fmt.Errorf("type is not that of a %s", st.name)
	}
	if kid, _ := p[cose.HeaderLabelKeyID].([]byte); !bytes.Equal(kid, keyID(root)) {
		return errors.New("issued under another authority's key than the one pinned here")
	}
	if len(p) != 3 || len(h.Unprotected) != 0 {
		return errors.New("headers other than alg, kid and typ")
	}
	return nil
}

// checkOneForm refuses a message whose bytes aren't the ones that sign writes for it:
// lengths in long form, headers in another order.
func (st statement) checkOneForm(root ed25519.PublicKey, m *cose.Sign1Message, b []byte) error {
	again, err := st.message(root, m.Payload, m.Signature).MarshalCBOR()
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errors.New("not the canonical encoding")
	}
	return nil
}
