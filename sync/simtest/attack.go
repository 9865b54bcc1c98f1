package simtest

import "github.com/vungxa/vungxa/crdt"

// foreign is a scope that nobody of a history is certified for.
const foreign crdt.Scope = "c/99999"

func (w *World) planAttacks(int) {}
