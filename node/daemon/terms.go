package daemon

import (
	"fmt"
	"strings"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// Terms are what the operator allows on a line, such as a metered one; nothing said,
// nothing limited.
type Terms struct {
	// Hours of the day in which it may be used, as "22:00-05:30", by the office's time.
	Hours []string `json:"hours,omitempty"`
	// KiB of a contact, both ways; past that only what is urgent goes on, as far again.
	KiB uint64 `json:"kib,omitempty"`
	// Minutes that a contact may last; then what is urgent goes on for as long again.
	Minutes uint16 `json:"minutes,omitempty"`
	// RestMinutes are how long to wait after a contact that has used what it may.
	RestMinutes uint16 `json:"rest_minutes,omitempty"`
}

// terms reads what the configuration says of a line.
func (t *Terms) terms() (out replica.Terms, err error) {
	if t == nil {
		return out, nil
	}
	out.Budget = reconcile.Allowance{Bytes: t.KiB << 10, Hard: t.KiB << 11}
	out.Time, out.Rest = time.Duration(t.Minutes)*time.Minute, time.Duration(t.RestMinutes)*time.Minute
	for _, s := range t.Hours {
		h, err := parseHours(s)
		if err != nil {
			return out, node.Errorf(node.Invalid, "node.json: giờ dùng đường truyền %q phải có dạng 22:00-05:30: %w",
				"node.json: the hours of a line %q have to be as 22:00-05:30: %w", s, err)
		}
		out.Hours = append(out.Hours, h)
	}
	return out, nil
}

func parseHours(s string) (h replica.Hours, err error) {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return h, fmt.Errorf("no - in it")
	}
	if h.From, err = parseTime(from); err != nil {
		return h, err
	}
	h.To, err = parseTime(to)
	return h, err
}

func parseTime(s string) (time.Duration, error) {
	if s == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", strings.TrimSpace(s))
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}
