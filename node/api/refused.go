package api

import (
	"context"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
)

// What a peer doesn't take, and what the province's word hides, is told with a reason in
// people's words, and can be mended and saved again.

// stuck are the logs that peers don't take, and what is said of each: of two peers that
// refuse one log, the first.
func (s *server) stuck() (logs []engine.Stuck, said map[crdt.LogID]Stuck) {
	said = map[crdt.LogID]Stuck{}
	for _, l := range s.Node.Info().Stuck {
		if _, told := said[l.Log]; !told {
			said[l.Log], logs = l, append(logs, l.Stuck)
		}
	}
	return logs, said
}

// refused are the records with something that a peer doesn't take.
func (s *server) refused(ctx context.Context, cursor string, limit int) (items []inboxItem, next string, err error) {
	stuck, said := s.stuck()
	found, next, err := s.Engine.Refused(ctx, stuck, cursor, limit)
	for _, r := range found {
		item := s.refusedItem(r)
		why := labelOf(said[r.Log].Why)
		item.Why, item.By = &why, said[r.Log].Peer
		items = append(items, item)
	}
	return items, next, err
}

// hidden are the records with something that the province's word hides.
func (s *server) hidden(ctx context.Context, cursor string, limit int) (items []inboxItem, next string, err error) {
	found, next, err := s.Engine.Hidden(ctx, cursor, limit)
	for _, r := range found {
		item := s.refusedItem(r)
		why := labelOf(hiddenWhys[r.Why])
		item.Why = &why
		items = append(items, item)
	}
	return items, next, err
}

var hiddenWhys = map[crdt.Why]node.Text{
	crdt.CutDevice:  {VI: "Máy đã lưu nội dung này bị thu hồi trước lần lưu đó, nên nội dung bị ẩn.", EN: "The device that saved this was revoked before, so it is hidden."},
	crdt.CutOfficer: {VI: "Khóa của cán bộ đã lưu bị thu hồi trước lần lưu đó, nên nội dung bị ẩn.", EN: "The key of the officer who saved this was revoked before, so it is hidden."},
	crdt.CutGrant:   {VI: "Quyền làm việc này bị thu hồi trước lần lưu đó, nên nội dung bị ẩn.", EN: "The right to do this was revoked before it was saved, so it is hidden."},
	crdt.RejectedBy: {VI: "Tỉnh đã bác bỏ nội dung này, nên nội dung bị ẩn.", EN: "The province has rejected this, so it is hidden."},
	crdt.BuiltOnOne: {VI: "Nội dung này dựa trên một bước mà tỉnh đã bác bỏ, nên bị ẩn.", EN: "This was built on a step that the province has rejected, so it is hidden."},
}

func (s *server) refusedItem(r engine.Refused) inboxItem {
	item := s.itemOf("refused", r.InboxItem)
	item.ID, item.Title, item.Gone = r.ID, r.Title, r.Gone
	c, ok := s.Pack().Collection(r.Collection)
	for _, w := range r.Wrote {
		if ok {
			item.Wrote = append(item.Wrote, saidOf(c, w))
		}
	}
	return item
}
