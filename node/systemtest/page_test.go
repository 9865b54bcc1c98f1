//go:build linux

package systemtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// page is an officer's browser at one node, as far as HTTP goes.
type page struct {
	url    string
	http   http.Client
	secret string
	cookie *http.Cookie
}

// problem is a refusal (RFC 9457).
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

// names says whether the refusal gives a reason for a place.
func (p *problem) names(place string) bool {
	for _, e := range p.Errors {
		if e.Location == place && e.Message != "" {
			return true
		}
	}
	return false
}

func (p *problem) Error() string {
	return fmt.Sprintf("%d %s: %s %v", p.Status, p.Code, p.Detail, p.Errors)
}

// signIn follows a link that a node printed.
func signIn(link string) (*page, error) { return signInBy(&http.Transport{}, link) }

// signInBy is signIn from where a transport leads.
func signInBy(transport *http.Transport, link string) (*page, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, err
	}
	code, err := url.ParseQuery(u.Fragment)
	if err != nil {
		return nil, err
	}
	u.Fragment = ""
	p := &page{url: u.String(), http: http.Client{Timeout: patience, Transport: transport}}
	var in struct {
		Secret string `json:"secret"`
	}
	err = p.ask("POST", "session", map[string]any{"code": code.Get("code")}, &in)
	p.secret = in.Secret
	return p, err
}

// ask asks the node for something, and reads its answer into answer, if that
// isn't nil. A refusal is a *problem.
func (p *page) ask(method, path string, body, answer any) error {
	r, err := p.request(method, path, body)
	if err != nil {
		return err
	}
	resp, err := p.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	for _, c := range resp.Cookies() {
		p.cookie = c
	}
	switch {
	case resp.StatusCode >= 300:
		refusal := &problem{Status: resp.StatusCode}
		_ = json.Unmarshal(b, refusal) // the status stands anyway
		return refusal
	case answer == nil:
		return nil
	}
	return json.Unmarshal(b, answer)
}

func (p *page) request(method, path string, body any) (*http.Request, error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(b)
	}
	r, err := http.NewRequest(method, p.url+"api/v0/"+path, sent)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Language", "en")
	r.Header.Set("X-Vungxa-Session", p.secret)
	if p.cookie != nil {
		r.AddCookie(p.cookie)
	}
	return r, nil
}

func (p *page) close() { p.http.CloseIdleConnections() }

type values = map[string]any

// record is what a node says of a record.
type record struct {
	ID        string   `json:"id"`
	Version   string   `json:"version"`
	Values    values   `json:"values"`
	Conflicts []string `json:"conflicts"`
	Tick      string   `json:"tick"`
	Carried   []load   `json:"carried"`
	Cells     map[string]struct {
		Conflict bool `json:"conflict"`
		Siblings []struct {
			Value any `json:"value"`
		} `json:"siblings"`
	} `json:"cells"`
}

// load is what a carrier has on the way.
type load struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// rank orders ticks.
var rank = map[string]int{"here": 0, "office": 1, "province": 2}

func (p *page) create(collection string, v values) (r record, err error) {
	err = p.ask("POST", "collections/"+collection+"/records", values{"values": v}, &r)
	return r, err
}

func (p *page) get(collection, id string) (r record, err error) {
	err = p.ask("GET", "collections/"+collection+"/records/"+id, nil, &r)
	return r, err
}

// change writes fields of a record as of the version that it was read in.
func (p *page) change(collection string, r record, v values) (after record, err error) {
	err = p.ask("PATCH", "collections/"+collection+"/records/"+r.ID, values{"version": r.Version, "values": v}, &after)
	return after, err
}

type found struct {
	Items []record `json:"items"`
	Total int      `json:"total"`
	Next  string   `json:"next"`
}

func (p *page) search(collection string, query values) (f found, err error) {
	err = p.ask("POST", "collections/"+collection+"/search", query, &f)
	return f, err
}

// total is how many records match.
func (p *page) total(collection string, query values) (int, error) {
	f, err := p.search(collection, query)
	return f.Total, err
}

// all is every record of a collection, page by page.
func (p *page) all(collection string) (records []record, err error) {
	query := values{"limit": 200}
	for {
		f, err := p.search(collection, query)
		if err != nil {
			return nil, err
		}
		records = append(records, f.Items...)
		if f.Next == "" {
			return records, nil
		}
		query["cursor"] = f.Next
	}
}

// status is what a node says of itself and its lines.
type status struct {
	Role  string `json:"role"`
	Peers []peer `json:"peers"`

	Unsent struct {
		Count   int    `json:"count"`
		Carried []load `json:"carried"`
	} `json:"unsent"`
}

type peer struct {
	Device    string `json:"device"`
	Role      string `json:"role"`
	Connected bool   `json:"connected"`
	Cut       bool   `json:"cut"`
	WhyNot    string `json:"why_not"`
}

func (p *page) status() (s status, err error) {
	err = p.ask("GET", "node", nil, &s)
	return s, err
}

// line is how the node sees its line to the peer in a role.
func (p *page) line(role string) (peer, error) {
	s, err := p.status()
	if err != nil {
		return peer{}, err
	}
	for _, other := range s.Peers {
		if other.Role == role {
			return other, nil
		}
	}
	return peer{}, fmt.Errorf("%s has no line to a %s", s.Role, role)
}

// cut cuts the line to the peer in a role, or mends it.
func (p *page) cut(role string, cut bool) error {
	other, err := p.line(role)
	if err != nil {
		return err
	}
	return p.ask("POST", "demo/lines/"+other.Device, values{"cut": cut}, nil)
}

// figures are a node's KPIs of a month, by collection and figure; nil where a
// figure isn't known.
func (p *page) figures(month string) (map[string]map[string]*float64, error) {
	var k struct {
		State string `json:"state"`
		Sets  []struct {
			Collection string `json:"collection"`
			Figures    []struct {
				ID    string   `json:"id"`
				Value *float64 `json:"value"`
			} `json:"figures"`
		} `json:"sets"`
	}
	if err := p.ask("GET", "kpis?month="+month, nil, &k); err != nil {
		return nil, err
	}
	if k.State != "ready" {
		return nil, fmt.Errorf("the figures are %s", k.State)
	}
	sets := map[string]map[string]*float64{}
	for _, set := range k.Sets {
		sets[set.Collection] = map[string]*float64{}
		for _, f := range set.Figures {
			sets[set.Collection][f.ID] = f.Value
		}
	}
	return sets, nil
}
