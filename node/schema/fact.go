package schema

import "time"

// Fact gives the moments that the figures are made of, in milliseconds since
// the Unix epoch; nil where the field is missing or the collection names none.
func (c *Collection) Fact(values map[string]any) (received, resolved, due *int64) {
	if c.KPI == nil {
		return nil, nil, nil
	}
	received, _ = c.span(c.KPI.Received, values)
	resolved, _ = c.span(c.KPI.Resolved, values)
	_, due = c.span(c.KPI.Due, values)
	return received, resolved, due
}

// span gives the first and last millisecond of a date in office time, or twice
// a datetime.
func (c *Collection) span(field string, values map[string]any) (first, last *int64) {
	switch v := values[field].(type) {
	case int64:
		return &v, &v
	case string:
		t, err := time.ParseInLocation(time.DateOnly, v, c.office)
		if err != nil {
			return nil, nil
		}
		from, to := t.UnixMilli(), t.AddDate(0, 0, 1).UnixMilli()-1
		return &from, &to
	}
	return nil, nil
}
