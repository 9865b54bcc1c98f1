package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vungxa/vungxa/node"
)

// unread makes an Error of what huma says about a request that it could not
// read. It leaves out the value that huma repeats: it may be a password.
func unread(m *huma.ErrorModel) error {
	e := &node.Error{Code: node.Invalid, Message: node.Text{
		VI: "Yêu cầu không đọc được: có chỗ không đúng dạng.", EN: "The request can't be read: something in it has the wrong form.",
	}}
	switch {
	case m.Status == http.StatusRequestEntityTooLarge:
		e.Code, e.Message = node.TooLarge, node.Text{VI: "Yêu cầu quá lớn. Hãy chia nhỏ ra.", EN: "The request is too large. Divide it."}
	case m.Status == http.StatusRequestTimeout:
		e.Code, e.Message = node.Unavailable, node.Text{VI: "Yêu cầu đến quá chậm. Hãy thử lại.", EN: "The request came too slowly. Try again."}
	case m.Status == http.StatusUnsupportedMediaType:
		e.Message = node.Text{VI: "Chỉ nhận application/json.", EN: "Only application/json is taken."}
	case m.Status >= http.StatusInternalServerError:
		e.Code = node.Internal
	case len(m.Errors) == 0:
		e.Message = node.Text{VI: "Yêu cầu thiếu phần thân.", EN: "The request lacks its body."}
	}
	for _, d := range m.Errors {
		e.Fields = append(e.Fields, node.FieldError{Field: strings.TrimPrefix(d.Location, "body."), Message: translate(d.Message)})
	}
	return e
}

// sayings are the beginnings of huma's messages, in Vietnamese. %s is the rest.
var sayings = []struct{ begins, vi string }{
	{"unexpected property", "không có mục này; hãy bỏ đi"},
	{"unknown query parameter", "không có tham số này; hãy bỏ đi"},
	{"expected required property ", "thiếu mục bắt buộc: %s"},
	{"expected value to be one of ", "chỉ nhận một trong: %s"},
	{"expected string to match pattern ", "cần đúng mẫu %s"},
	{"expected string", "cần một chuỗi ký tự"},
	{"expected boolean", "cần true hoặc false"},
	{"expected integer", "cần một số nguyên"},
	{"expected number >= ", "cần một số từ %s trở lên"},
	{"expected number <= ", "cần một số không quá %s"},
	{"expected number", "cần một số"},
	{"expected array length <= ", "nhiều nhất %s mục"},
	{"expected array", "cần một danh sách"},
	{"expected object", "cần một đối tượng"},
	{"expected length >= ", "cần ít nhất %s ký tự"},
	{"expected length <= ", "nhiều nhất %s ký tự"},
}

func translate(message string) node.Text {
	for _, s := range sayings {
		if rest, ok := strings.CutPrefix(message, s.begins); ok {
			return node.Text{VI: strings.Replace(s.vi, "%s", strings.TrimSuffix(rest, " to be present"), 1), EN: message}
		}
	}
	if strings.HasPrefix(message, "expected") {
		return node.Text{VI: "không đúng dạng", EN: message}
	}
	// What is left are errors of the JSON reader, which may repeat the input.
	return node.Text{VI: "không đọc được JSON", EN: "this is no JSON"}
}
