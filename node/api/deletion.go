package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/schema"
)

// deletion is who deleted a record, of several the newest.
type deletion struct {
	Officer    string `json:"officer"`
	DeviceName string `json:"device_name"`
	AtMS       int64  `json:"at_ms" doc:"As its device's clock claimed."`
}

type deletedInput struct {
	C      string `path:"c" maxLength:"48"`
	Cursor string `query:"cursor" maxLength:"4096" doc:"next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type deletedAnswer struct {
	Items list[recordAnswer] `json:"items" doc:"Newest deletion first."`
	Total int                `json:"total"`
	Next  *string            `json:"next"`
}

type deletedOutput struct{ Body deletedAnswer }

type versionInput struct {
	C    string `path:"c" maxLength:"48"`
	ID   string `path:"id" maxLength:"64"`
	Body versionBody
}

type versionBody struct {
	Version string `json:"version" minLength:"1" doc:"Of the record that was looked at: what came since is not deleted unseen."`
}

func (s *server) registerDeletion(api huma.API) {
	const record = "/collections/{c}/records/{id}"
	add(s, api, s.signedIn(http.MethodGet, "/collections/{c}/deleted", "deleted", "A page of a collection's deleted records."), s.deleted)
	add(s, api, s.signedIn(http.MethodPost, record+"/delete", "delete", "Hide a record from every list. It can be restored."), s.remove)
	add(s, api, s.signedIn(http.MethodPost, record+"/restore", "restore", "Take the deletion of a record back."), s.restore)
}

func (s *server) deleted(ctx context.Context, in *deletedInput) (*deletedOutput, error) {
	c, err := s.collection(in.C)
	if err != nil {
		return nil, err
	}
	page, err := s.Engine.Deleted(ctx, c.ID, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &deletedOutput{deletedAnswer{Total: page.Total, Next: orNull(page.Next)}}
	for _, d := range page.Items {
		out.Body.Items = append(out.Body.Items, s.deletedOf(c, &d))
	}
	return out, nil
}

func (s *server) remove(ctx context.Context, in *versionInput) (*recordOutput, error) {
	return s.exist(ctx, in, engine.Change{Delete: true})
}

func (s *server) restore(ctx context.Context, in *versionInput) (*recordOutput, error) {
	return s.exist(ctx, in, engine.Change{Restore: true})
}

func (s *server) exist(ctx context.Context, in *versionInput, change engine.Change) (*recordOutput, error) {
	c, err := s.collection(in.C)
	if err != nil {
		return nil, err
	}
	id, err := recordID(in.ID)
	if err != nil {
		return nil, err
	}
	change.Collection, change.Record, change.Seen = c.ID, &id, in.Body.Version
	_, err = s.Engine.Save(ctx, engine.Save{
		Officer: sessionOf(ctx).Officer.Name, Class: crdt.ClassRecords, Changes: []engine.Change{change},
	})
	if err != nil {
		return nil, err
	}
	return s.read(ctx, c, id)
}

func (s *server) readDeleted(ctx context.Context, c *schema.Collection, id crdt.RecordID) (*recordOutput, error) {
	d, err := s.Engine.DeletedRecord(ctx, c.ID, id)
	if err != nil {
		return nil, err
	}
	out := &recordOutput{s.deletedOf(c, d)}
	out.Body.Cells = map[string]cell{}
	return out, nil
}

func (s *server) deletedOf(c *schema.Collection, d *engine.Deleted) recordAnswer {
	r := s.recordOf(c, &d.View)
	r.Conflicts = nil // they are settled when it is restored
	r.Deleted = s.deletionOf(d.Deletion)
	return r
}

func (s *server) deletionOf(d engine.Deletion) *deletion {
	return &deletion{d.Officer, s.Node.DeviceName(d.Device), d.AtMS}
}
