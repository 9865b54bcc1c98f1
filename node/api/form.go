package api

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
)

// list is an array that is never null, in the answer and in the document.
type list[T any] []T

func (l list[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Schema implements huma.SchemaProvider.
func (list[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: r.Schema(reflect.TypeFor[T](), true, "")}
}

// optional is an object or null: huma documents no pointer to a struct as such.
type optional[T any] struct{ value *T }

func (o optional[T]) MarshalJSON() ([]byte, error) { return json.Marshal(o.value) }

// Schema implements huma.SchemaProvider.
func (optional[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// confidence is "V", "S", "?" or null.
type confidence schema.Confidence

func (c confidence) MarshalJSON() ([]byte, error) { return json.Marshal(orNull(string(c))) }

// Schema implements huma.SchemaProvider.
func (confidence) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true, Enum: []any{"V", "S", "?", nil}}
}

// label is a text in both languages.
type label struct {
	VI string `json:"vi"`
	EN string `json:"en"`
}

func labelOf(t node.Text) label { return label(t) }

// orNull is nil for an empty string.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
