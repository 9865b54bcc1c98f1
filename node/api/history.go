package api

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/schema"
)

type historyAnswer struct {
	Events list[event] `json:"events"`
}

type event struct {
	Field      string    `json:"field,omitempty" doc:"Absent: the record itself, or a field that this pack doesn't know."`
	What       string    `json:"what" enum:"created,deleted,written,added,removed,unread" doc:"unread: in a form of another pack, or erased."`
	Value      any       `json:"value,omitempty" doc:"What was written; of a set, the item."`
	Officer    string    `json:"officer"`
	Device     string    `json:"device"`
	DeviceName string    `json:"device_name"`
	AtMS       int64     `json:"at_ms" doc:"As its device's clock claimed."`
	Tick       string    `json:"tick" enum:"here,office,province"`
	Replaced   list[int] `json:"replaced" doc:"Places in events of the writes that it names as replaced."`
}

type historyOutput struct{ Body historyAnswer }

func (s *server) history(ctx context.Context, in *recordInput) (*historyOutput, error) {
	c, err := s.collection(in.C)
	if err != nil {
		return nil, err
	}
	id, err := recordID(in.ID)
	if err != nil {
		return nil, err
	}
	events, err := s.Engine.History(ctx, c.ID, id)
	if err != nil {
		return nil, err
	}
	place := make(map[crdt.Dot]int, len(events))
	for i, v := range events {
		place[v.Dot] = i
	}
	out := &historyOutput{historyAnswer{Events: make([]event, 0, len(events))}}
	for _, v := range events {
		answer := s.eventOf(c, v)
		for _, dot := range v.Replaced {
			answer.Replaced = append(answer.Replaced, place[dot])
		}
		out.Body.Events = append(out.Body.Events, answer)
	}
	return out, nil
}

func (s *server) eventOf(c *schema.Collection, v engine.Event) event {
	out := event{
		Field: v.Field, Officer: v.Officer, Device: v.Dot.Log.Device.String(), DeviceName: s.Node.DeviceName(v.Dot.Log.Device),
		AtMS: v.AtMS, Tick: v.Tick.String(),
	}
	out.What, out.Value = said(c, v)
	return out
}

// said is what an event did, and the value that it did it with.
func said(c *schema.Collection, v engine.Event) (what string, value any) {
	present, _ := v.Value.(bool)
	f, known := c.Field(v.Field)
	switch {
	case v.Unread:
		return "unread", nil
	case v.FieldID == crdt.FieldExistence && present:
		return "created", nil
	case v.FieldID == crdt.FieldExistence:
		return "deleted", nil
	case v.Elem != nil && present:
		return "added", v.Elem
	case v.Elem != nil:
		return "removed", v.Elem
	case known:
		return "written", f.Present(v.Value)
	}
	return "unread", nil
}
