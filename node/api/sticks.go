package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vungxa/vungxa/node"
)

// Sticks is what a node does with USB sticks that carry its data to places without a
// line. A path is a directory of this machine, which the node's user can open.
type Sticks interface {
	// Sticks are the removable disks that are plugged in, and whom they can carry to.
	Sticks() (StickPlaces, error)
	// InspectStick says what lies on a stick, and changes nothing.
	InspectStick(ctx context.Context, path string) (StickContents, error)
	// SwapStick takes in what is for this node, and writes what the readers lack.
	SwapStick(ctx context.Context, order StickOrder) (StickSwapped, error)
}

// StickPlaces are the sticks and the readers.
type StickPlaces struct {
	Sticks  list[StickPlace]  `json:"sticks"`
	Readers list[StickReader] `json:"readers" doc:"The devices that can be written for."`
	Ready   bool              `json:"ready" doc:"This device's certificate names a key for bundles, so it can read them."`
}

// StickPlace is a removable disk.
type StickPlace struct {
	Path  string `json:"path"`
	Label string `json:"label"`
	Free  int64  `json:"free" doc:"Bytes."`
}

// StickReader is a device that a stick can carry to.
type StickReader struct {
	Device    string `json:"device"`
	Name      string `json:"name"`
	Role      string `json:"role" enum:"box,laptop,province"`
	Connected bool   `json:"connected"`
	Key       bool   `json:"key" doc:"Its certificate names a key for bundles."`
	Carried   uint64 `json:"carried" doc:"Saves that are on their way to it and not known to have arrived."`
}

// StickContents are the bundles on a stick.
type StickContents struct {
	Path  string          `json:"path"`
	Free  int64           `json:"free" doc:"Bytes."`
	Files list[StickFile] `json:"files"`
}

// StickFile is a bundle on a stick.
type StickFile struct {
	Name       string       `json:"name"`
	Size       int64        `json:"size" doc:"Bytes."`
	ModifiedMS int64        `json:"modified_ms" doc:"By the clock of the machine that wrote it."`
	State      string       `json:"state" enum:"ready,taken,waiting,no-room,refused,ours,arrived,foreign,partial,short,altered,unknown,irregular,stranger,unread"`
	Says       label        `json:"says" doc:"What that means, and what to do."`
	By         string       `json:"by" doc:"Name of the device that wrote it, where that can be read."`
	To         list[string] `json:"to" doc:"Names of its readers, of one that was written here."`
	Readers    int          `json:"readers" doc:"0: unknown."`
	Part       uint64       `json:"part" doc:"From 1; 0: unknown."`
	Last       bool         `json:"last" doc:"No part follows."`
	Entries    uint64       `json:"entries" doc:"Saves in it, by the word of the device that wrote it."`
	Refused    list[label]  `json:"refused" doc:"Why something of it was not taken."`
}

// StickOrder is what to do with a stick.
type StickOrder struct {
	Path string   `json:"path" minLength:"1" maxLength:"4096"`
	To   []string `json:"to" maxItems:"64" nullable:"false" doc:"Devices to write for, beside those whose bundles are on it."`
	GoOn bool     `json:"go_on,omitempty" doc:"Write only what had no room on the last stick."`
}

// StickSwapped is what came of it.
type StickSwapped struct {
	Path     string             `json:"path"`
	Files    list[StickFile]    `json:"files" doc:"What the stick brought."`
	Entries  int                `json:"entries" doc:"Saves that were taken in."`
	Receipts int                `json:"receipts" doc:"Receipts that were."`
	Written  list[StickWritten] `json:"written"`
}

// StickWritten is what was written for a reader.
type StickWritten struct {
	Device  string       `json:"device"`
	Name    string       `json:"name"`
	Files   list[string] `json:"files"`
	Bytes   int64        `json:"bytes"`
	Entries uint64       `json:"entries"`
	// Attachments are counted where their last piece is written.
	Attachments int             `json:"attachments" doc:"How many are in it to their end."`
	More        bool            `json:"more" doc:"There was no room for all."`
	Problem     optional[label] `json:"problem"`
	// ReadOnly keeps nothing of what the stick brought from being taken in.
	ReadOnly bool `json:"read_only" doc:"The stick can't be written on."`
}

// NewLabel is a text for an answer.
func NewLabel(t node.Text) label { return labelOf(t) }

// Trouble is why nothing was written; nil where all is well.
func Trouble(err error) optional[label] {
	if err == nil {
		return optional[label]{}
	}
	l := labelOf(node.Reason(err))
	return optional[label]{&l}
}

type stickPlacesOutput struct{ Body StickPlaces }

type stickInspectInput struct {
	Body struct {
		Path string `json:"path" minLength:"1" maxLength:"4096"`
	}
}

type stickContentsOutput struct{ Body StickContents }

type stickSwapInput struct{ Body StickOrder }

type stickSwappedOutput struct{ Body StickSwapped }

func (s *server) registerSticks(api huma.API) {
	add(s, api, s.signedIn(http.MethodGet, "/sticks", "sticks", "Removable disks, and the devices that they can carry to."),
		func(context.Context, *struct{}) (*stickPlacesOutput, error) {
			if s.Sticks == nil {
				return nil, errNoSticks
			}
			p, err := s.Sticks.Sticks()
			return &stickPlacesOutput{p}, err
		})
	inspect := s.signedIn(http.MethodPost, "/sticks/inspect", "inspect-stick", "What lies on a stick; nothing is changed.")
	inspect.Middlewares = append(inspect.Middlewares, unhurried)
	add(s, api, inspect, func(ctx context.Context, in *stickInspectInput) (*stickContentsOutput, error) {
		if s.Sticks == nil {
			return nil, errNoSticks
		}
		c, err := s.Sticks.InspectStick(ctx, in.Body.Path)
		return &stickContentsOutput{c}, err
	})
	swap := s.signedIn(http.MethodPost, "/sticks/swap", "swap-stick", "Take in what a stick brings for this node, and write what its readers lack.")
	swap.Middlewares = append(swap.Middlewares, unhurried)
	add(s, api, swap, func(ctx context.Context, in *stickSwapInput) (*stickSwappedOutput, error) {
		if s.Sticks == nil {
			return nil, errNoSticks
		}
		r, err := s.Sticks.SwapStick(ctx, in.Body)
		return &stickSwappedOutput{r}, err
	})
}

var errNoSticks = node.Errorf(node.Unavailable, "Nút này không dùng được USB.", "this node can't use sticks")

// unhurried lets an answer take as long as a slow stick does.
func unhurried(ctx huma.Context, next func(huma.Context)) {
	_, w := humago.Unwrap(ctx)
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		return // the connection is gone
	}
	next(ctx)
}

// UnmarshalJSON is for the command line, which reads what a job answers.
func (o *optional[T]) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &o.value) }

// Get gives the value; false where there is none.
func (o optional[T]) Get() (v T, ok bool) {
	if o.value == nil {
		return v, false
	}
	return *o.value, true
}

// Text is a label for who isn't a page.
func (l label) Text() node.Text { return node.Text(l) }
