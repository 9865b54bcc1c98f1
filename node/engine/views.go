package engine

import "github.com/vungxa/vungxa/node/store"

// Names of views.
const (
	ViewKPI    = "kpi"
	ViewSearch = "search"
)

// ViewState says how far a view is: everything that is computed from the records
// can be computed anew, and is, behind what officers do.
type ViewState struct {
	Name  string
	Ready bool   // false: it is being computed, and answers nothing, or only what is still true
	Done  uint64 // records read for it so far, while it isn't ready
	// Unread is how many records are damaged and so not in it.
	Unread uint64
	// Position is how many transactions that changed records are in it; Store, of
	// how many there are. A view that is ready is behind while they differ.
	Position, Store uint64
	Err             error // why it can't be computed
}

// Behind says whether the view does not show all that the store holds.
func (v ViewState) Behind() bool { return !v.Ready || v.Position < v.Store }

// Views are the views and how far they are.
func (e *Engine) Views() ([]ViewState, error) {
	var search ViewState
	kpi := e.figures.state() // before the store is looked at: never ahead of it
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		g, err := tx.Generations()
		if err != nil {
			return err
		}
		search = e.rebuild.state(g)
		// Index rows are written with the records, in one transaction.
		search.Position, err = position(tx)
		search.Store, kpi.Store = search.Position, search.Position
		return err
	})
	return []ViewState{kpi, search}, err
}
