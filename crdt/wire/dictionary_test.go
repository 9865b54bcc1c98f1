package wire

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"slices"
	"testing"
)

// The dictionary is trained on what office makes up under these seeds, and
// measured on others. It is at most so many bytes: twice as many save one percent.
const (
	trainingSeed = 1_000_000
	trainingSets = 40
	dictionaryOf = 6 << 10
)

// texts is what a stream of a segment's columns holds of texts.
type texts struct {
	plain
	lines []string
}

func (s *texts) text(_ class, v *[]byte) { s.lines = append(s.lines, string(*v)) }

// train chooses, of the texts made up, those that hold most of what is frequent
// and not yet in a chosen one, for their length.
func train(t testing.TB, words func(int, int) bool) []string {
	t.Helper()
	var corpus []string
	for i := range uint64(trainingSets) {
		s := newOffice(trainingSeed+i, words).saves(t, 300, append(slices.Clone(anyField), 2, 3, 21))
		var seen texts
		if err := writeColumns(&seen, s, decoded(t, s), nil); err != nil {
			t.Fatal(err)
		}
		corpus = append(corpus, seen.lines...)
	}
	const gram = 5
	frequent := map[string]int{}
	for _, line := range corpus {
		for i := range max(0, len(line)-gram+1) {
			frequent[line[i:i+gram]]++
		}
	}
	slices.Sort(corpus)
	corpus = slices.Compact(corpus)
	var chosen []string
	for size := 0; size < dictionaryOf; {
		best, at := 0.0, 0
		for k, line := range corpus {
			worth := 0
			for i := range max(0, len(line)-gram+1) {
				worth += max(0, frequent[line[i:i+gram]]-trainingSets/4)
			}
			if score := float64(worth) / float64(len(line)+4); score > best {
				best, at = score, k
			}
		}
		if best == 0 {
			break
		}
		line := corpus[at]
		for i := range max(0, len(line)-gram+1) {
			frequent[line[i:i+gram]] = 0
		}
		chosen, size = append(chosen, line), size+len(line)+1
	}
	slices.Reverse(chosen) // the best last, where it is remembered best
	return chosen
}

// The dictionary is what training gives, byte for byte: so no one's data can have
// come into it. -update writes it.
func TestDictionaryIsWhatIsTrained(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("package wire\n\n// dictionary is text that the predictor has read before it reads anything else. It was\n" +
		"// trained on made-up data by TestDictionaryIsWhatIsTrained, whose -update writes this\n" +
		"// file. It belongs to the format: another one would be another coding.\nvar dictionary = []string{\n")
	for _, line := range train(t, everyWord) {
		fmt.Fprintf(&b, "\t%q,\n", line)
	}
	b.WriteString("}\n")
	want, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const name = "dictionary.go"
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the dictionary isn't what training gives; a format that is in use keeps its own (-update writes a new one)")
	}
}
