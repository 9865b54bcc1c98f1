package daemon

import (
	"context"

	"github.com/vungxa/vungxa/node/store"
)

// OnRotationStep sets what is told of every step of a change of the data key.
func OnRotationStep(f func(string)) { rotationStep = f }

// DeviceKeys are the node's keys in the clear.
func (d *Daemon) DeviceKeys() Keys { return d.self.keys }

// Compact is what is done behind each reading of the store, too.
func (d *Daemon) Compact(ctx context.Context) { d.compact(ctx) }

// Collect is what is done behind each reading of the store.
func (d *Daemon) Collect(ctx context.Context) { d.collect(ctx) }

// StoreOf is the node's store.
func (d *Daemon) StoreOf() *store.Store { return d.store }
