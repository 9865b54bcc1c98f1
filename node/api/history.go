package api

import (
	"context"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/schema"
)

type historyInput struct {
	C      string `path:"c" maxLength:"48"`
	ID     string `path:"id" maxLength:"64"`
	Cursor string `query:"cursor" maxLength:"16384" doc:"next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type historyAnswer struct {
	Saves   list[saved] `json:"saves" doc:"Newest claim first."`
	Total   int         `json:"total" doc:"How many are held here."`
	Next    *string     `json:"next"`
	Older   bool        `json:"older" doc:"Older saves may have been dropped here, which every device had acknowledged; the province has them."`
	Damaged int         `json:"damaged" doc:"Saves that belong to this page and can't be read here."`
}

// saved is one Save, as far as it wrote the record.
type saved struct {
	ID          string      `json:"id"`
	Officer     string      `json:"officer"`
	Device      string      `json:"device"`
	DeviceName  string      `json:"device_name"`
	AtMS        int64       `json:"at_ms" doc:"As its device's clock claimed."`
	EffectiveMS int64       `json:"effective_ms" doc:"The claim, held between what the device had heard of the province and the province's own time; 0: not believed."`
	Witnessed   bool        `json:"witnessed" doc:"The province has committed it, so effective_ms is held by its time."`
	Suspect     bool        `json:"suspect" doc:"Its clock was wrong."`
	Tick        string      `json:"tick" enum:"here,office,province,covered"`
	Wrote       list[wrote] `json:"wrote"`
}

// wrote is what a save did to one field.
type wrote struct {
	Said
	Hidden   string     `json:"hidden,omitempty" enum:"device,officer,grant,rejected,built_on" doc:"Why it isn't shown: whose key was cut, or the province's ruling."`
	Stands   bool       `json:"stands" doc:"It stands in its field now."`
	Conflict bool       `json:"conflict" doc:"It stands, and something that differs stands beside it."`
	Replaced list[past] `json:"replaced" doc:"What stood there before, as far as its officer had seen it."`
	Lost     int        `json:"lost" doc:"How many replaced values are no longer held here."`
}

// Said is what an operation says.
type Said struct {
	Field string `json:"field,omitempty" doc:"Absent: the record itself, or a field that this pack doesn't know."`
	What  string `json:"what" enum:"created,restored,deleted,written,added,removed,unread,erased" doc:"unread: in a form of another pack; erased: by law."`
	Value any    `json:"value,omitempty" doc:"What was written; of a set, the item."`
}

type past struct {
	Said
	Officer    string `json:"officer"`
	DeviceName string `json:"device_name"`
	AtMS       int64  `json:"at_ms"`
}

type historyOutput struct{ Body historyAnswer }

func (s *server) history(ctx context.Context, in *historyInput) (*historyOutput, error) {
	c, err := s.collection(in.C)
	if err != nil {
		return nil, err
	}
	id, err := recordID(in.ID)
	if err != nil {
		return nil, err
	}
	h, err := s.Engine.History(ctx, c.ID, id, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &historyOutput{historyAnswer{Total: h.Total, Next: orNull(h.Next), Older: h.Older, Damaged: h.Damaged}}
	for _, v := range h.Saves {
		out.Body.Saves = append(out.Body.Saves, s.savedOf(c, v))
	}
	return out, nil
}

func (s *server) savedOf(c *schema.Collection, v engine.Saved) saved {
	d := v.At.Log.Device
	out := saved{
		ID: fmt.Sprintf("%v/%d", v.At.Log, v.At.Seq), Officer: v.Officer, Device: d.String(), DeviceName: s.Node.DeviceName(d), AtMS: v.AtMS,
		EffectiveMS: v.EffectiveMS, Witnessed: v.Witnessed, Suspect: v.Suspect, Tick: v.Tick.String(),
	}
	for _, w := range v.Wrote {
		answer := wrote{Said: saidOf(c, w.Said), Hidden: whys[w.Why], Stands: w.Stands, Conflict: w.Conflict, Lost: w.Lost}
		for _, p := range w.Replaced {
			answer.Replaced = append(answer.Replaced, past{saidOf(c, p.Said), p.Officer, s.Node.DeviceName(p.Device), p.AtMS})
		}
		out.Wrote = append(out.Wrote, answer)
	}
	return out
}

var whys = map[crdt.Why]string{
	crdt.CutDevice: "device", crdt.CutOfficer: "officer", crdt.CutGrant: "grant", crdt.RejectedBy: "rejected", crdt.BuiltOnOne: "built_on",
}

func saidOf(c *schema.Collection, v engine.Said) Said {
	out := Said{Field: v.Field}
	out.What, out.Value = whatOf(c, v)
	return out
}

// whatOf is what an operation did, and the value that it did it with.
func whatOf(c *schema.Collection, v engine.Said) (what string, value any) {
	present, _ := v.Value.(bool)
	f, known := c.Field(v.Field)
	switch {
	case v.Erased:
		return "erased", nil
	case v.FieldID == crdt.FieldExistence && present && v.Again:
		return "restored", nil
	case v.FieldID == crdt.FieldExistence && present:
		return "created", nil
	case v.FieldID == crdt.FieldExistence:
		return "deleted", nil
	case v.Unread || !known:
		return "unread", nil
	case v.Elem != nil && present:
		return "added", v.Elem
	case v.Elem != nil:
		return "removed", v.Elem
	}
	return "written", f.Present(v.Value)
}
