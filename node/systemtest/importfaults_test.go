//go:build linux

package systemtest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const head = "so,noi_dung,ngay\n"

// brokenFiles are files that can't be imported, with what is said of each.
var brokenFiles = map[string]struct{ text, says string }{
	"latin1.csv":    {head + "1,\xd0\xf4ng,01/03/2025 08:00\n", "UTF-8"},
	"utf16.csv":     {"\xff\xfes\x00o\x00", "UTF-16"},
	"semicolon.csv": {"so;noi_dung;ngay\n1;Đường hỏng;01/03/2025 08:00\n", "delimiter"},
	"column.csv":    {"so,noi_dung\n1,Đường hỏng\n", "ngay"},
	"truncated.csv": {head + "1,Đường hỏng,01/03/2025 08:00\n2,\"Đèn tắt", "row 3"},
	"excel.csv":     {"PK\x03\x04....", "Excel"},
	"gzip.csv":      {"\x1f\x8b\x08....", "compressed"},
	"empty.csv":     {"", "empty"},
	"nul.csv":       {head + "1,Đường\x00hỏng,01/03/2025 08:00\n", "byte"},
	"longrow.csv":   {head + "1," + strings.Repeat("a", 2<<20) + ",01/03/2025 08:00\n", "row 2"},
}

// desk is where files are imported from.
type desk struct {
	*testing.T
	dir  string
	flag []string
}

func newDesk(t *testing.T) *desk {
	d := &desk{T: t, dir: t.TempDir()}
	mapping := filepath.Join(d.dir, "mapping.yaml")
	write(t, mapping, rowMapping)
	d.flag = []string{"import", "--lang", "en", "--collection", "petitions", "--map", mapping}
	return d
}

func (d *desk) file(name, text string) string {
	d.Helper()
	path := filepath.Join(d.dir, name)
	write(d.T, path, text)
	return path
}

// into imports a file into a node.
func (d *desk) into(p *place, file string, flags ...string) *process {
	d.Helper()
	return command(d.T, d.args(p, file, flags...)...)
}

func (d *desk) args(p *place, file string, flags ...string) []string {
	return slices.Concat(d.flag, []string{"--dir", p.dir}, flags, []string{file})
}

// TestImportFaults imports what can't be imported, and what can in part, into a
// node that runs (the box) and one at rest (the laptop), by the command line.
func TestImportFaults(t *testing.T) {
	t.Parallel()
	c, d := newCommune(t), newDesk(t)
	c.run(c.province, c.box)
	places := []*place{c.box, c.laptop}
	for name, broken := range brokenFiles {
		file := d.file(name, broken.text)
		for _, p := range places {
			d.into(p, file).says(t, 1, broken.says)
		}
	}
	fewer := d.file("rows.csv", head+"1,Đường hỏng,01/03/2025 08:00\n2,Đèn tắt,31/02/2025 08:00\n3,Cống tắc\n4,,02/03/2025 08:00\n5,Cầu yếu,\n")
	for _, p := range places {
		d.into(p, d.dir).says(t, 1, "is a directory")
		d.into(p, filepath.Join(d.dir, "nothing.csv")).says(t, 1, "there is no file")
		d.into(p, "/dev/null").says(t, 1, "no regular file")
		d.into(p, fewer, "--dry-run").says(t, 3, "A trial; nothing was written:\npetitions: 5 rows\n  new 2, changed 0, unchanged 0\n")
	}
	d.huge(places)
	c.holds(c.box, 0)

	for _, p := range places {
		in := d.into(p, fewer)
		in.says(t, 3, "new 2, changed 0, unchanged 0\n  could not be read 3")
		in.says(t, 3, `row 3, column ngay, "31/02/2025 08:00": `)
		in.says(t, 3, "row 4: ")
		in.says(t, 3, "row 5, column ")
		d.into(p, fewer).says(t, 3, "new 0, changed 0, unchanged 2")
		d.into(p, d.file("changed.csv", head+"1,Đường hỏng nặng,01/03/2025 08:00\n")).says(t, 0, "new 0, changed 1, unchanged 0")
	}
	c.box.kill() // which leaves its control.json behind
	d.into(c.box, d.file("more.csv", head+"6,Mương cạn,03/03/2025 08:00\n")).says(t, 0, "new 1, changed 0, unchanged 0")
	c.run(c.box, c.laptop)
	c.settled()
	c.holds(c.province, 3)
	c.stop()
}

// holds fails unless a node has so many petitions, and nothing waits.
func (c *commune) holds(p *place, want int) {
	c.t.Helper()
	n, err := p.page.total("petitions", values{})
	c.must(err)
	s, err := p.page.status()
	c.must(err)
	if n != want || s.Unsent.Count != 0 {
		c.t.Errorf("%s has %d petitions and %d unsent saves; want %d and none", p.name, n, s.Unsent.Count, want)
	}
}

// most is what an import may take in memory, in bytes, however long the file.
const most = 150 << 20

// huge imports 100 MB: once with a wrong byte at the very end, and once with rows
// that can't be read but for the last. Memory stays bounded.
func (d *desk) huge(places []*place) {
	d.Helper()
	row := func(i int) string {
		return fmt.Sprintf("%d,%s,32/13/2025 08:00\n", i, strings.Repeat("Đường hỏng ", 60))
	}
	wrong := d.long("wrong.csv", row, "9999999,\xff,01/03/2025 08:00\n")
	odd := d.long("odd.csv", row, "9999999,Đường hỏng,01/03/2025 08:00\n")
	for _, p := range places {
		for file, says := range map[string]string{wrong: "UTF-8", odd: "new 1, changed 0, unchanged 0"} {
			in := spawn(d.T, d.args(p, file, "--dry-run")...)
			took := in.memory(d.T)
			code := 3
			if file == wrong {
				code = 1
			}
			in.says(d.T, code, says)
			d.Logf("%s into %s: %d MB in memory at most", filepath.Base(file), p.name, took>>20)
			if took == 0 || took > most {
				d.Errorf("%s took %d bytes of memory; want at most %d", filepath.Base(file), took, most)
			}
		}
	}
}

// long writes a file of 100 MB and a last row.
func (d *desk) long(name string, row func(int) string, last string) string {
	d.Helper()
	path := filepath.Join(d.dir, name)
	f, err := os.Create(path)
	if err != nil {
		d.Fatal(err)
	}
	w := bufio.NewWriter(f)
	n, _ := w.WriteString(head) // Flush tells of the first error
	for i := 1; n < 100<<20; i++ {
		more, _ := w.WriteString(row(i))
		n += more
	}
	_, _ = w.WriteString(last)
	if err := w.Flush(); err != nil {
		d.Fatal(err)
	}
	if err := f.Close(); err != nil {
		d.Fatal(err)
	}
	return path
}

const (
	realRows    = "../../../shared/data/requests-2012-11.csv"
	realMapping = "../../deploy/examples/requests-2012-11.yaml"
)

// TestImportOfRealRequests takes a thousand requests of a real city in, at one
// node that runs and one at rest; they are the same thousand.
func TestImportOfRealRequests(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(realRows); err != nil {
		t.Skip("SKIPPED the import of real requests: put requests-2012-11.csv into ../shared/data, beside the project")
	}
	c := newCommune(t)
	d := &desk{T: t, flag: []string{"import", "--lang", "en", "--collection", "petitions", "--map", realMapping}}
	c.run(c.province, c.box)
	d.into(c.box, realRows, "--dry-run").says(t, 0, "new 1000, changed 0, unchanged 0")
	c.holds(c.box, 0)
	for _, p := range []*place{c.box, c.laptop} {
		d.into(p, realRows).says(t, 0, "petitions: 1000 rows\n  new 1000, changed 0, unchanged 0\n  could not be read 0, flagged 16")
	}
	d.into(c.box, realRows).says(t, 0, "new 0, changed 0, unchanged 1000")
	c.run(c.laptop)
	c.settled()
	d.into(c.laptop, realRows).says(t, 0, "new 0, changed 0, unchanged 1000")
	c.holds(c.province, 1000)
	c.sameFigures("2012-11")
	c.stop()
	c.sameLogs()
}
