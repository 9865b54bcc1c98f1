package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api"
)

// maxLine bounds a line of a job's answer, in bytes: a record has at most 1 MiB, and
// JSON may write a byte as six.
const maxLine = 8 << 20

// Door is where a running node takes orders from the command line: what the daemon's
// control file holds.
type Door struct {
	Page    string // address of the node's page
	Secret  string
	English bool // the language of what the node refuses with
}

// Do has the running node do a job. told gets each line that the job tells, and
// result takes what it returns. An answer that breaks off is an error.
func (d Door) Do(ctx context.Context, job string, order any, told func(json.RawMessage) error, result any) error {
	target, err := url.JoinPath(d.Page, "api/v0/jobs", url.PathEscape(job))
	if err != nil {
		return fmt.Errorf("the running node's address: %w", err)
	}
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("write the order as JSON: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the running node: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+d.Secret)
	r.Header.Set("Accept-Language", "vi")
	if d.English {
		r.Header.Set("Accept-Language", "en")
	}
	// No proxy: the secret goes to this machine only.
	h := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer h.CloseIdleConnections()
	resp, err := h.Do(r)
	if err != nil {
		return silent(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return silent(err)
		}
		return refused(resp.StatusCode, answer)
	}
	return readJob(resp.Body, told, result)
}

func silent(err error) error {
	return node.Errorf(node.Unavailable,
		"Chương trình đang chạy không trả lời: %w. Nếu nó đã dừng đột ngột, hãy khởi động lại nó, hoặc chạy lại lệnh khi nó đã dừng hẳn.",
		"the running node does not answer: %w; if it ended suddenly, start it, or run the command again when it has ended", err)
}

func readJob(answer io.Reader, told func(json.RawMessage) error, result any) error {
	lines := bufio.NewScanner(answer)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		var line api.JobLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return silent(err)
		}
		switch {
		case line.Problem != nil:
			return problem(*line.Problem)
		case line.Result != nil:
			return json.Unmarshal(line.Result, result)
		case line.Line != nil:
			if err := told(line.Line); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return silent(err)
	}
	return silent(errors.New("its answer broke off"))
}
