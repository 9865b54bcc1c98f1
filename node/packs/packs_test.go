package packs

import "testing"

func TestLoad(t *testing.T) {
	p, err := Commune()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p.ID, len(p.Collections))
}
