package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vungxa/vungxa/kpi"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/schema"
)

type kpisInput struct {
	Month string `query:"month" maxLength:"16" doc:"As 2026-11; the current month if absent."`
}

type kpisAnswer struct {
	State    string       `json:"state" enum:"ready,computing" doc:"computing: the records are being read, and no figure is known yet."`
	Position uint64       `json:"position" doc:"How many changes of the store are in the figures."`
	Unread   uint64       `json:"unread" doc:"Records that are damaged, and so in none of the figures."`
	AsOfMS   int64        `json:"as_of_ms"`
	Month    string       `json:"month"`
	Months   list[string] `json:"months" doc:"Months that can be asked for, newest first."`
	Sets     list[kpiSet] `json:"sets"`
	Coverage coverage     `json:"coverage"`
}

type kpiSet struct {
	Collection string       `json:"collection"`
	Label      label        `json:"label"`
	Figures    list[figure] `json:"figures"`
	DueSource  label        `json:"due_source" doc:"Where the due moment comes from."`
}

type figure struct {
	ID          string   `json:"id" doc:"received, resolved, open, overdue, on_time or undated."`
	Label       label    `json:"label"`
	Unit        string   `json:"unit" enum:"count,share"`
	Value       *float64 `json:"value" doc:"null: not known, which is not 0."`
	Numerator   *int64   `json:"numerator,omitempty"`
	Denominator *int64   `json:"denominator,omitempty"`
}

type coverage struct {
	Complete bool                `json:"complete" doc:"Every device that writes is connected now."`
	Devices  list[coveredDevice] `json:"devices"`
}

type coveredDevice struct {
	Device        string `json:"device"`
	Name          string `json:"name"`
	Role          string `json:"role"`
	LastHeardMS   *int64 `json:"last_heard_ms"`
	NewestEntryMS *int64 `json:"newest_entry_ms" doc:"As its clock claimed."`
	Entries       uint64 `json:"entries" doc:"Held here of it."`
	Self          bool   `json:"self"`
}

type kpisOutput struct{ Body kpisAnswer }

// figureLabels name the measures of package kpi on screen.
var figureLabels = map[kpi.Measure]label{
	kpi.Received: {"Tiếp nhận trong tháng", "Received in the month"},
	kpi.Resolved: {"Giải quyết trong tháng", "Resolved in the month"},
	kpi.Open:     {"Đang giải quyết", "Open"},
	kpi.Overdue:  {"Quá hạn", "Overdue"},
	kpi.OnTime:   {"Đúng hạn", "On time"},
	kpi.Undated:  {"Thiếu ngày tiếp nhận", "Without a date of receipt"},
}

func (s *server) registerKPIs(api huma.API) {
	add(s, api, s.signedIn(http.MethodGet, "/kpis", "kpis", "The figures of a month, and what they cover."), s.kpis)
}

func (s *server) kpis(ctx context.Context, in *kpisInput) (*kpisOutput, error) {
	var month kpi.Month
	if in.Month != "" {
		m, err := kpi.ParseMonth(in.Month)
		if err != nil {
			return nil, wrong(node.FieldError{Field: "month", Message: node.Text{VI: "viết tháng theo dạng 2026-11", EN: "write the month as 2026-11"}})
		}
		month = m
	}
	now, err := s.Engine.KPIs(0)
	if err != nil {
		return nil, err
	}
	k := now
	if month != 0 {
		if k, err = s.Engine.KPIs(month); err != nil {
			return nil, err
		}
	}
	out := kpisAnswer{State: "computing", Position: k.Position, Unread: k.Unread, AsOfMS: k.AsOfMS, Month: k.Month.String()}
	if k.Ready {
		out.State = "ready"
	}
	for _, set := range k.Sets {
		if c, ok := s.Pack().Collection(set.Collection); ok && c.KPI != nil {
			out.Sets = append(out.Sets, setOf(c, set.Figures))
		}
	}
	if out.Months, err = s.months(ctx, now.Month); err != nil {
		return nil, err
	}
	out.Coverage, err = s.coverage()
	out.Coverage.Complete = out.Coverage.Complete && k.Unread == 0
	return &kpisOutput{out}, err
}

func setOf(c *schema.Collection, f kpi.Figures) kpiSet {
	out := kpiSet{Collection: c.ID, Label: labelOf(c.Label), DueSource: dueSource(c)}
	for _, d := range kpi.Definitions() {
		out.Figures = append(out.Figures, figureOf(d, f))
	}
	return out
}

func dueSource(c *schema.Collection) label {
	due, ok := c.Field(c.KPI.Due)
	if !ok {
		return label{"không có trường nào ghi hạn; không tính quá hạn", "no field holds a due date; nothing is overdue"}
	}
	return label{
		"theo “" + due.Label.VI + "” đã lưu; chưa có bộ tính hạn",
		"by the stored “" + due.Label.EN + "”; there is no calculator of due dates yet",
	}
}

func figureOf(d kpi.Definition, f kpi.Figures) figure {
	out := figure{ID: d.ID, Label: figureLabels[d.Measure], Unit: "count"}
	if d.Kind == kpi.Ratio {
		out.Unit = "share"
	}
	v, known := f.Get(d.Measure)
	if !known {
		return out
	}
	if d.Kind == kpi.Count {
		n := float64(v.Num)
		out.Value = &n
		return out
	}
	out.Numerator, out.Denominator = &v.Num, &v.Den
	if share, ok := v.Share(); ok {
		out.Value = &share
	}
	return out
}

// maxMonths is how far back the months go at most: a mistyped year must not make
// a list of thousands.
const maxMonths = 20 * 12

// months go from the current one back to that of the oldest record, newest first.
func (s *server) months(ctx context.Context, current kpi.Month) ([]string, error) {
	oldest := current
	for _, c := range s.Pack().Collections {
		if c.KPI == nil {
			continue
		}
		first, err := s.firstMonth(ctx, c)
		if err != nil {
			return nil, err
		}
		if first != 0 {
			oldest = min(oldest, first)
		}
	}
	var out []string
	for m := current; m >= oldest && len(out) < maxMonths; m-- {
		out = append(out, m.String())
	}
	return out, nil
}

// firstMonth is the month of a collection's first receipt; 0 where there is none
// or the pack gives no order by it.
func (s *server) firstMonth(ctx context.Context, c *schema.Collection) (kpi.Month, error) {
	f, ok := c.Field(c.KPI.Received)
	if !ok || !f.Sortable {
		return 0, nil
	}
	page, err := s.Engine.Search(ctx, engine.Query{Collection: c.ID, SortField: f.Name, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return 0, err
	}
	received, _, _ := c.Fact(page.Items[0].Values)
	if received == nil {
		return 0, nil
	}
	m, _ := kpi.Calendar{OffsetMinutes: s.Pack().OffsetMinutes}.Month(kpi.At(*received))
	return m, nil
}

// coverage lists the devices whose saves the figures may hold: every one that is
// certified here, but for provinces. It is complete while all others are
// connected to this very node: of one that isn't, nobody here knows what it has
// saved since it was last heard from.
func (s *server) coverage() (coverage, error) {
	held, err := s.Engine.Devices()
	if err != nil {
		return coverage{}, err
	}
	info := s.Node.Info()
	out := coverage{Complete: true}
	for _, d := range s.Node.Certified() {
		if d.Role == "province" {
			continue
		}
		self := d.Device == info.Device
		row := coveredDevice{Device: d.Device, Name: d.Name, Role: d.Role, Self: self}
		i := slices.IndexFunc(info.Peers, func(p Peer) bool { return p.Device == d.Device })
		if i >= 0 {
			row.LastHeardMS = info.Peers[i].LastContactMS
		}
		out.Complete = out.Complete && (self || i >= 0 && info.Peers[i].Connected)
		out.Devices = append(out.Devices, row)
	}
	for _, d := range held {
		out.hold(d)
	}
	return out, nil
}

// hold notes what is held of a device.
func (c *coverage) hold(d engine.Device) {
	id := d.Device.String()
	i := slices.IndexFunc(c.Devices, func(known coveredDevice) bool { return known.Device == id })
	if i < 0 {
		return // a province: it saves nothing of its own
	}
	known := &c.Devices[i]
	known.Entries, known.NewestEntryMS = d.Entries, d.NewestEntryMS
	if d.LastHeardMS != nil && (known.LastHeardMS == nil || *known.LastHeardMS < *d.LastHeardMS) {
		known.LastHeardMS = d.LastHeardMS
	}
}
