package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/schema"
)

// Info is what a node says of itself.
type Info struct {
	Name     string
	Role     string // "box", "laptop" or "province"
	Device   string // as crdt.Device.String writes it
	Scope    string
	Commune  *Commune // nil at a province
	ReadOnly bool
	Peers    []Peer
	Stuck    []Stuck // logs that a peer doesn't take

	Protection Protection
	Damage     Damage
	Checking   Checking
}

// Stuck is a log that a peer doesn't take, and why.
type Stuck struct {
	engine.Stuck
	Peer string // its name
	Why  node.Text
}

// Damage is what of the store isn't as it was written, as far as is known.
type Damage struct {
	Count    int  // places
	ReadOnly bool // nobody knows how far it goes, so nothing is saved
	SinceMS  *int64
}

// Checking is how far the store is held to its digests, behind the answers: what no answer
// has needed yet.
type Checking struct{ Left, Total int64 } // bytes; 0 left: all is

// Protection is what protects the node's disk when it is stolen.
type Protection struct {
	Class    string    // "none", "environment", "key-file", "password" or "unknown"
	Says     node.Text // what that protects from, and what not
	Damaged  bool      // of the key file
	Rotating bool      // a change of the data key is unfinished
}

// Certified is a device with a certificate; Role as in Info.
type Certified struct{ Device, Name, Role string }

// Commune is the commune that a node belongs to.
type Commune struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Peer is another device, as this node sees it.
type Peer struct {
	Device        string  `json:"device"`
	Name          string  `json:"name"`
	Role          string  `json:"role" doc:"box, laptop or province"`
	Connected     bool    `json:"connected"`
	Cut           bool    `json:"cut" doc:"The demonstration has cut the line to it."`
	LastContactMS *int64  `json:"last_contact_ms"`
	WhyNot        *string `json:"why_not" doc:"Why there is no connection, or what the peer does not take, as far as is known."`
}

type nodeAnswer struct {
	Name     string            `json:"name"`
	Role     string            `json:"role" enum:"box,laptop,province"`
	Device   string            `json:"device"`
	Scope    string            `json:"scope"`
	Commune  optional[Commune] `json:"commune"`
	Demo     bool              `json:"demo"`
	ReadOnly bool              `json:"read_only"`
	Pack     packRef           `json:"pack"`
	NowMS    int64             `json:"now_ms"`
	Peers    list[Peer]        `json:"peers"`
	Unsent   unsent            `json:"unsent"`

	Protection protection `json:"protection"`
	Damage     damage     `json:"damage"`
	Checking   checking   `json:"checking"`
	Views      list[view] `json:"views" doc:"What is computed from the records, and how far it is."`
}

type view struct {
	Name     string `json:"name" enum:"kpi,search"`
	State    string `json:"state" enum:"ready,computing,behind,failed" doc:"computing: it is being made anew behind the office; behind: it lacks the newest changes."`
	Done     uint64 `json:"done" doc:"Records read so far, while computing."`
	Unread   uint64 `json:"unread" doc:"Records that are damaged and so not in it."`
	Position uint64 `json:"position" doc:"How many changes of the store are in it."`
	Store    uint64 `json:"store" doc:"How many there are."`
}

func viewOf(v engine.ViewState) view {
	out := view{Name: v.Name, State: "ready", Done: v.Done, Unread: v.Unread, Position: v.Position, Store: v.Store}
	switch {
	case v.Err != nil && node.CodeOf(v.Err) != node.ReadOnly: // on a full disk it waits, and goes on by itself
		out.State = "failed"
	case !v.Ready:
		out.State = "computing"
	case v.Behind():
		out.State = "behind"
	}
	return out
}

type damage struct {
	Count    int    `json:"count" doc:"Places in the store that aren't as they were written."`
	ReadOnly bool   `json:"read_only" doc:"Nobody knows how far the damage goes: nothing is saved until the store is repaired."`
	SinceMS  *int64 `json:"since_ms"`
}

type checking struct {
	Left  int64 `json:"left" doc:"Bytes of the store that are still to be compared with their digests since the start; 0: all of it is as it was written, or told as damage. Answers rest on what was compared."`
	Total int64 `json:"total" doc:"Of how many, while any are left."`
}

type protection struct {
	Class    string `json:"class" enum:"none,environment,key-file,password,unknown" doc:"What opens the store: the weakest of its key slots."`
	Says     label  `json:"says" doc:"What that protects from, and what not."`
	Damaged  bool   `json:"damaged" doc:"A key slot is damaged."`
	Rotating bool   `json:"rotating" doc:"A change of the data key is unfinished."`
}

type packRef struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

type unsent struct {
	Count    int    `json:"count" doc:"Saves held here that the province is not known to have received."`
	OldestMS *int64 `json:"oldest_ms"`
	// Carried says who has some of them on the way.
	Carried list[load] `json:"carried" doc:"Who has some of them on the way: a laptop that isn't connected now and has signed for them, a stick, a courier. None of it has arrived."`
}

// load is what a carrier has on the way.
type load struct {
	Name    string `json:"name"`
	Count   int    `json:"count" doc:"Saves; of a record its values."`
	SinceMS int64  `json:"since_ms" doc:"When a stick or a courier was given it; 0: unknown."`
}

// loadsOf leaves out who is connected: what such a laptop has is here as well.
func (s *server) loadsOf(all []engine.Load) (out []load) {
	if len(all) == 0 {
		return nil
	}
	connected := map[string]bool{}
	for _, p := range s.Node.Info().Peers {
		connected[p.Device] = p.Connected
	}
	for _, l := range all {
		name := l.Courier
		if name == "" {
			if connected[l.Device.String()] {
				continue
			}
			name = s.Node.DeviceName(l.Device)
		}
		out = append(out, load{name, l.Count, l.SinceMS})
	}
	return out
}

// unsent reads what the province isn't known to have received.
func (s *server) unsent() (u unsent, err error) {
	if u.Count, u.OldestMS, err = s.Engine.Unsent(); err != nil || u.Count == 0 {
		return u, err
	}
	loads, err := s.Engine.Loads()
	u.Carried = s.loadsOf(loads)
	return u, err
}

type nodeOutput struct{ Body nodeAnswer }

type lineInput struct {
	Device string `path:"device" maxLength:"64"`
	Body   lineBody
}

type lineBody struct {
	Cut bool `json:"cut"`
}

func (s *server) registerNode(api huma.API) {
	add(s, api, s.signedIn(http.MethodGet, "/node", "node", "This node, its peers, and what the province has not received."), s.node)
	add(s, api, s.signedIn(http.MethodGet, "/schema", "schema", "The pack: collections, fields and code lists."),
		func(context.Context, *struct{}) (*schemaOutput, error) { return &schemaOutput{schemaOf(s.Pack())}, nil })
	add(s, api, s.signedIn(http.MethodPost, "/demo/lines/{device}", "cut-line", "Cut or mend a line of the demonstration."), s.cutLine)
}

func (s *server) node(context.Context, *struct{}) (*nodeOutput, error) {
	waiting, err := s.unsent()
	if err != nil {
		return nil, err
	}
	states, err := s.Engine.Views()
	if err != nil {
		return nil, err
	}
	var views []view
	for _, v := range states {
		views = append(views, viewOf(v))
	}
	i, p := s.Node.Info(), s.Pack()
	return &nodeOutput{nodeAnswer{
		Name: i.Name, Role: i.Role, Device: i.Device, Scope: i.Scope, Commune: optional[Commune]{i.Commune},
		Demo: s.Lines != nil, ReadOnly: i.ReadOnly, Pack: packRef{p.ID, strconv.FormatUint(uint64(p.Version), 10)},
		NowMS: s.Now().UnixMilli(), Peers: i.Peers, Unsent: waiting,
		Protection: protection{i.Protection.Class, labelOf(i.Protection.Says), i.Protection.Damaged, i.Protection.Rotating},
		Damage:     damage(i.Damage),
		Checking:   checking(i.Checking),
		Views:      views,
	}}, nil
}

func (s *server) cutLine(_ context.Context, in *lineInput) (*struct{}, error) {
	if s.Lines == nil {
		return nil, node.Errorf(node.NotFound, "Đây không phải bản trình diễn nên không có đường truyền để cắt.",
			"this is no demonstration, so there is no line to cut")
	}
	return nil, s.Lines.Cut(in.Device, in.Body.Cut)
}

type schemaOutput struct{ Body schemaAnswer }

type schemaAnswer struct {
	Pack        packAnswer          `json:"pack"`
	Collections list[collection]    `json:"collections"`
	CodeLists   map[string]codeList `json:"code_lists"`
}

type packAnswer struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Label   label  `json:"label"`
}

type collection struct {
	ID         string             `json:"id"`
	Label      label              `json:"label"`
	Title      string             `json:"title" doc:"The field that names a record."`
	Code       *string            `json:"code"`
	Status     *string            `json:"status"`
	Columns    list[string]       `json:"columns"`
	Sort       sort               `json:"sort"`
	Source     *string            `json:"source"`
	Confidence confidence         `json:"confidence"`
	Fields     list[field]        `json:"fields"`
	Sections   list[section]      `json:"sections"`
	Statuses   optional[statuses] `json:"statuses"`
}

type sort struct {
	Field string `json:"field"`
	Desc  bool   `json:"desc"`
}

type section struct {
	Label  label        `json:"label"`
	Fields list[string] `json:"fields"`
}

type statuses struct {
	Next nextOf `json:"next"`
}

// nextOf says which statuses may follow each; null where no source says.
type nextOf map[string][]string

// Schema implements huma.SchemaProvider.
func (nextOf) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: true, AdditionalProperties: &huma.Schema{
		Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString},
	}}
}

type field struct {
	Name       string          `json:"name"`
	Label      label           `json:"label"`
	Type       string          `json:"type" enum:"text,multiline,code,date,datetime,bool,integer,list"`
	List       *string         `json:"list" doc:"Code list of a code or list field."`
	Required   bool            `json:"required"`
	Generated  string          `json:"generated" enum:",temporary"`
	Review     bool            `json:"review" doc:"Differing values wait for a person."`
	Filter     bool            `json:"filter"`
	Sortable   bool            `json:"sortable"`
	Source     *string         `json:"source"`
	Confidence confidence      `json:"confidence"`
	Hint       optional[label] `json:"hint"`
	Max        int             `json:"max" doc:"Longest text in characters; 0 where it doesn't apply."`
}

type codeList struct {
	Label      label          `json:"label"`
	Source     *string        `json:"source"`
	Confidence confidence     `json:"confidence"`
	Open       bool           `json:"open" doc:"No official text is known: any code is taken, items are suggestions."`
	Items      list[codeItem] `json:"items"`
}

type codeItem struct {
	Code  string `json:"code"`
	Label label  `json:"label"`
}

func schemaOf(p *schema.Pack) schemaAnswer {
	out := schemaAnswer{
		Pack:      packAnswer{p.ID, strconv.FormatUint(uint64(p.Version), 10), labelOf(p.Label)},
		CodeLists: map[string]codeList{},
	}
	for _, c := range p.Collections {
		out.Collections = append(out.Collections, collectionOf(c))
	}
	for id, l := range p.CodeLists {
		out.CodeLists[id] = codeListOf(l)
	}
	return out
}

func collectionOf(c *schema.Collection) collection {
	out := collection{
		ID: c.ID, Label: labelOf(c.Label), Title: c.TitleField, Code: orNull(c.CodeField), Status: orNull(c.StatusField),
		Columns: c.Columns, Sort: sort(c.Sort), Source: orNull(c.Source), Confidence: confidence(c.Confidence),
	}
	for _, f := range c.Fields {
		out.Fields = append(out.Fields, fieldOf(f))
	}
	for _, s := range c.Sections {
		out.Sections = append(out.Sections, section{labelOf(s.Label), s.Fields})
	}
	if c.StatusField != "" {
		out.Statuses.value = &statuses{c.Next}
	}
	return out
}

func fieldOf(f *schema.Field) field {
	out := field{
		Name: f.Name, Label: labelOf(f.Label), Type: string(f.Type), List: orNull(f.List), Required: f.Required,
		Generated: f.Generated, Review: f.Review(), Filter: f.Filter, Sortable: f.Sortable,
		Source: orNull(f.Source), Confidence: confidence(f.Confidence), Max: f.Max,
	}
	if f.Hint != (node.Text{}) {
		hint := labelOf(f.Hint)
		out.Hint.value = &hint
	}
	return out
}

func codeListOf(l *schema.CodeList) codeList {
	out := codeList{Label: labelOf(l.Label), Source: orNull(l.Source), Confidence: confidence(l.Confidence), Open: l.Open}
	for _, i := range l.Items {
		out.Items = append(out.Items, codeItem{i.Code, labelOf(i.Label)})
	}
	return out
}
