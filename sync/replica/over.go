package replica

import (
	"context"
	"crypto/ed25519"
)

// Host is a Carrier whose connections are of a type of its own, as link.Host is.
type Host[C Conn] interface {
	Dial(ctx context.Context, address string, peer ed25519.PublicKey) (C, error)
	Accept(ctx context.Context) (C, error)
}

// Over makes a Carrier of a Host.
func Over[C Conn](h Host[C]) Carrier { return over[C]{h} }

type over[C Conn] struct{ host Host[C] }

func (o over[C]) Dial(ctx context.Context, address string, peer ed25519.PublicKey) (Conn, error) {
	c, err := o.host.Dial(ctx, address, peer)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (o over[C]) Accept(ctx context.Context) (Conn, error) {
	c, err := o.host.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}
