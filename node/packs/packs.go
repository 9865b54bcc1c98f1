// Package packs holds what a commune office is given, as data: its collections
// (dossiers, petitions, items of code lists), their code lists, checks and KPI
// dates. The folder commune is the pack; package schema explains its format.
//
// Nothing in it is invented. A code list of which no official text was at hand
// is open and has no source; what stands in it, if anything, are suggestions. An
// office adds the items it has from elsewhere as records of the collection
// code_items, by hand or by import, and [ListItem] reads them back for
// schema.Pack.WithItems.
//
// A pack's version goes up with every change, and the numbers, names, types and
// merge kinds of its fields never change: a test holds them to a golden file.
package packs

import (
	"embed"
	"io/fs"

	"github.com/vungxa/vungxa/node/schema"
)

//go:embed commune/*.yaml
var files embed.FS

// CodeItems is the collection whose records extend open code lists.
const CodeItems = "code_items"

// Commune is the pack of a commune office, with the collections and code lists
// of the overlays added to it.
func Commune(overlays ...fs.FS) (*schema.Pack, error) {
	base, err := fs.Sub(files, "commune")
	if err != nil {
		return nil, err
	}
	return schema.Load(base, overlays...)
}

// ListItem reads a record of the collection CodeItems. It is false when the
// record lacks its list, its code or its Vietnamese name, as one may that is
// being written on two devices at once. A missing English name becomes the
// Vietnamese one.
func ListItem(values map[string]any) (schema.ListItem, bool) {
	text := func(name string) string {
		s, _ := values[name].(string)
		return s
	}
	it := schema.ListItem{List: text("DanhSach"), Item: schema.Item{
		Code: text("Ma"), From: text("TuNgay"), To: text("DenNgay"), Source: text("CanCu"),
	}}
	it.Item.Label.VI, it.Item.Label.EN = text("TenVI"), text("TenEN")
	if it.Item.Label.EN == "" {
		it.Item.Label.EN = it.Item.Label.VI
	}
	return it, it.List != "" && it.Item.Code != "" && it.Item.Label.VI != ""
}
