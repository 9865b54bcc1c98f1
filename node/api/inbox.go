package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
)

// The inbox is what a person has to look at: conflicts, which Search finds, and
// records that the engine keeps out of every list until someone decides.

// countTo is how far each kind is counted: past it a page says "and more".
const countTo = 1000

// inboxKinds are the kinds in the order in which the inbox tells them: first devices
// that have to be looked at, then what is in no list.
var inboxKinds = []string{"fork", "refused", "edited", "late", "conflict"}

type inboxCounts struct {
	Forks     int `json:"forks" doc:"Devices' logs of which two histories are held."`
	Refused   int `json:"refused" doc:"Records with something that a peer doesn't take, or that the province's word hides."`
	Edited    int `json:"edited" doc:"Records that were edited by someone who didn't know of their deletion."`
	Late      int `json:"late" doc:"Saves about records that were deleted everywhere before."`
	Conflicts int `json:"conflicts" doc:"Records in which a person has to settle a field."`
	CountedTo int `json:"counted_to" doc:"Each kind is counted no further."`
}

type inboxCountsOutput struct{ Body inboxCounts }

type inboxInput struct {
	Kind   string `query:"kind" enum:"fork,refused,edited,late,conflict" doc:"Only this kind."`
	Cursor string `query:"cursor" maxLength:"4096" doc:"next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type inboxAnswer struct {
	Items list[inboxItem] `json:"items"`
	Next  *string         `json:"next"`
}

type inboxItem struct {
	Kind       string       `json:"kind" enum:"fork,refused,edited,late,conflict"`
	ID         string       `json:"id" doc:"Of a late or a refused one: what dismiss takes."`
	Collection string       `json:"collection"`
	Record     string       `json:"record"`
	Title      string       `json:"title" doc:"Empty where nothing is known of the record any more."`
	Version    string       `json:"version" doc:"For restore and delete of an edited one."`
	Conflicts  list[string] `json:"conflicts" doc:"Fields of a conflict."`
	Damaged    bool         `json:"damaged,omitempty" doc:"The record can't be read here."`
	Officer    string       `json:"officer" doc:"Who wrote it; of several the newest."`
	DeviceName string       `json:"device_name" doc:"Empty of a conflict, which has several."`
	AtMS       int64        `json:"at_ms" doc:"As its device's clock claimed; of a fork when this device noticed it; 0: not known any more."`
	Deleted    *deletion    `json:"deleted,omitempty" doc:"Of an edited one: the deletion."`
	Decided    bool         `json:"decided,omitempty" doc:"Of a fork: the province has said which history has the log's name."`
	Wrote      list[Said]   `json:"wrote" doc:"Of a late or a refused one: what it says."`
	Why        *label       `json:"why,omitempty" doc:"Of a refused one: the reason."`
	By         string       `json:"by,omitempty" doc:"Of a refused one: which machine doesn't take it; empty where the province's word hides it."`
	Gone       bool         `json:"gone,omitempty" doc:"Of a refused one: its record isn't shown, so a new one is to be made of it."`
}

type inboxOutput struct{ Body inboxAnswer }

type dismissInput struct {
	ID string `path:"id" maxLength:"512"`
}

func (s *server) registerInbox(api huma.API) {
	add(s, api, s.signedIn(http.MethodGet, "/inbox/counts", "inbox-counts", "How much waits for a person."), s.inboxCounts)
	add(s, api, s.signedIn(http.MethodGet, "/inbox", "inbox", "What waits for a person, kind by kind."), s.inbox)
	op := s.signedIn(http.MethodPost, "/inbox/{id}/dismiss", "dismiss", "Take a late save, or something refused, off this device's list. The save itself stays.")
	add(s, api, op, s.dismiss)
}

func (s *server) inboxCounts(context.Context, *struct{}) (*inboxCountsOutput, error) {
	w, err := s.Engine.Waiting(countTo)
	if err != nil {
		return nil, err
	}
	forks, err := s.Engine.Forks()
	if err != nil {
		return nil, err
	}
	stuck, _ := s.stuck()
	refused, err := s.Engine.WaitingRefused(stuck, countTo)
	return &inboxCountsOutput{inboxCounts{min(len(forks), countTo), refused, w.Edited, w.Late, w.Conflicts, countTo}}, err
}

func (s *server) dismiss(_ context.Context, in *dismissInput) (*struct{}, error) {
	if s.Node.Info().ReadOnly {
		return nil, node.Errorf(node.ReadOnly, "Máy này chỉ xem; hãy làm việc này ở máy của xã.", "this node only shows; do this at the commune's")
	}
	return nil, s.Engine.Dismiss(in.ID)
}

// place is where a page of the inbox goes on: in a source, from its own cursor.
type place struct {
	source int
	cursor string
}

// sources are where the inbox's items come from, in order: each kind but conflicts
// is one, and conflicts are one for each collection.
func (s *server) sources(kind string) (all []func(context.Context, string, int) ([]inboxItem, string, error)) {
	for _, k := range inboxKinds {
		switch {
		case kind != "" && kind != k:
		case k == "fork":
			all = append(all, s.forks)
		case k == "refused":
			all = append(all, s.refused, s.hidden)
		case k == "edited":
			all = append(all, s.edited)
		case k == "late":
			all = append(all, s.late)
		default:
			for _, c := range s.Pack().Collections {
				all = append(all, func(ctx context.Context, cursor string, limit int) ([]inboxItem, string, error) {
					return s.conflicts(ctx, c.ID, cursor, limit)
				})
			}
		}
	}
	return all
}

func (s *server) inbox(ctx context.Context, in *inboxInput) (*inboxOutput, error) {
	at, err := parsePlace(in.Cursor)
	if err != nil {
		return nil, err
	}
	out := &inboxOutput{}
	sources := s.sources(in.Kind)
	for ; at.source < len(sources) && len(out.Body.Items) < in.Limit; at = (place{at.source + 1, ""}) {
		items, next, err := sources[at.source](ctx, at.cursor, in.Limit-len(out.Body.Items))
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, items...)
		if next != "" {
			out.Body.Next = orNull(place{at.source, next}.String())
			return out, nil
		}
	}
	if at.source < len(sources) {
		out.Body.Next = orNull(at.String())
	}
	return out, nil
}

func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte(p.source)}, p.cursor...))
}

func parsePlace(s string) (place, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	switch {
	case err != nil:
		return place{}, node.Errorf(node.Invalid, "Dấu trang không đọc được.", "the cursor can't be read")
	case len(b) == 0:
		return place{}, nil
	}
	return place{int(b[0]), string(b[1:])}, nil
}

func (s *server) conflicts(ctx context.Context, collection, cursor string, limit int) (items []inboxItem, next string, err error) {
	c, err := s.collection(collection)
	if err != nil {
		return nil, "", err
	}
	page, err := s.Engine.Search(ctx, engine.Query{Collection: c.ID, Conflicted: true, Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, v := range page.Items {
		items = append(items, inboxItem{
			Kind: "conflict", Collection: c.ID, Record: v.ID.String(), Title: titleOf(c, v.Values), Version: v.Version, Conflicts: v.Conflicts,
			Damaged: v.Damaged, Officer: v.UpdatedBy, AtMS: v.UpdatedMS,
		})
	}
	return items, page.Next, nil
}

// forks are logs of which two histories are held: its cursor is the last that was told.
func (s *server) forks(_ context.Context, cursor string, limit int) (items []inboxItem, next string, err error) {
	all, err := s.Engine.Forks()
	if err != nil {
		return nil, "", err
	}
	from := slices.IndexFunc(all, func(f engine.Fork) bool { return f.Log.String() == cursor }) + 1
	if from == 0 && cursor != "" {
		return nil, "", node.Errorf(node.Invalid, "Dấu trang không đọc được.", "the cursor can't be read")
	}
	for _, f := range all[from:min(len(all), from+limit)] {
		items = append(items, inboxItem{
			Kind: "fork", ID: "fork." + f.Log.String(), DeviceName: s.Node.DeviceName(f.Device), AtMS: f.NoticedMS, Decided: f.Decided,
		})
	}
	if from+limit < len(all) {
		next = all[from+limit-1].Log.String()
	}
	return items, next, nil
}

func (s *server) edited(ctx context.Context, cursor string, limit int) (items []inboxItem, next string, err error) {
	found, next, err := s.Engine.Edited(ctx, cursor, limit)
	if err != nil {
		return nil, "", err
	}
	for _, e := range found {
		item := s.itemOf("edited", e.InboxItem)
		item.Version, item.Damaged, item.Deleted = e.View.Version, e.View.Damaged, s.deletionOf(e.Deletion)
		if c, ok := s.Pack().Collection(e.Collection); ok {
			item.Title = titleOf(c, e.View.Values)
		}
		items = append(items, item)
	}
	return items, next, nil
}

func (s *server) late(ctx context.Context, cursor string, limit int) (items []inboxItem, next string, err error) {
	found, next, err := s.Engine.Late(ctx, cursor, limit)
	if err != nil {
		return nil, "", err
	}
	for _, l := range found {
		item := s.itemOf("late", l.InboxItem)
		item.ID = l.ID
		if c, ok := s.Pack().Collection(l.Collection); ok {
			for _, w := range l.Wrote {
				item.Wrote = append(item.Wrote, saidOf(c, w))
				if text, _ := w.Value.(string); w.Field == c.TitleField {
					item.Title = text
				}
			}
		}
		items = append(items, item)
	}
	return items, next, nil
}

func (s *server) itemOf(kind string, i engine.InboxItem) inboxItem {
	out := inboxItem{Kind: kind, Collection: i.Collection, Record: i.Record.String(), Officer: i.Officer, AtMS: i.AtMS}
	if i.Device != (crdt.Device{}) {
		out.DeviceName = s.Node.DeviceName(i.Device)
	}
	out.ID = strings.Join([]string{kind, i.Collection, out.Record}, ".")
	return out
}
