package reconcile

import (
	"fmt"
	"strings"
)

// Code says why a session was refused. Codes are part of the protocol.
type Code uint

// The codes.
const (
	Format      Code = 1  // a version of the protocol that is too old
	Malformed   Code = 2  // not the canonical encoding of a message
	TooLarge    Code = 3  // a frame over MaxFrame
	Unknown     Code = 4  // a message type that this format doesn't have
	Order       Code = 5  // a message that has no place in this state
	Certificate Code = 6  // missing, or not by the pinned authority
	PeerKey     Code = 7  // the certificate of another connection key
	Scope       Code = 8  // outside the scopes of a certificate, or of the session
	Seal        Code = 9  // not the signature of the log's device
	Chain       Code = 10 // entries that don't follow each other, or leave a gap
	Fork        Code = 11 // two branches of one log
	Receipt     Code = 12 // not the signature of the receipt's signer
	Unheld      Code = 13 // a receipt that names what its reader doesn't hold
	Limit       Code = 14 // more logs, signers or certificates than are kept
	Unwelcome   Code = 15 // not the device that is expected here
	Cut         Code = 16 // the operator has cut the line
	Unavailable Code = 17 // the refuser's own trouble: it can't store or read now
	Ended       Code = 18 // an entry past the cut that ended its device's logs
	Budget      Code = 19 // the contact has used what the operator allows it
	Missing     Code = 20 // an attachment that the refuser doesn't hold
	Unproven    Code = 21 // a checkpoint that most of the hub's group haven't signed
	Compacted   Code = 22 // the sender holds these entries no more; the peer has to get them of the hub
	Revoked     Code = 23 // a checkpoint has cut the device that was refused
)

// Text is what a person reads, in both languages.
type Text struct {
	VI, EN string
}

var texts = map[Code]Text{
	Format:      {"Máy kia dùng phiên bản giao thức đã cũ; hãy cập nhật máy kia.", "The other machine speaks an old version of the protocol; update the other machine."},
	Malformed:   {"Dữ liệu nhận được không đúng khuôn dạng.", "What was received is not a message of the protocol."},
	TooLarge:    {"Thông điệp nhận được quá lớn.", "The message received is too large."},
	Unknown:     {"Loại thông điệp nhận được không có trong giao thức.", "The protocol has no message of the type received."},
	Order:       {"Thông điệp nhận được không đúng lúc.", "The message received has no place at this point."},
	Certificate: {"Chứng thư thiết bị không có, hoặc không do cơ quan mà máy này tin cậy cấp.", "The device's certificate is missing, or is not from the authority that this machine trusts."},
	PeerKey:     {"Chứng thư thiết bị thuộc về một khóa kết nối khác.", "The device's certificate belongs to another connection key."},
	Scope:       {"Thiết bị không được phép trong phạm vi dữ liệu này.", "The device is not certified for this scope of data."},
	Seal:        {"Dấu niêm phong không phải của thiết bị ghi nhật ký.", "The seal is not that of the device whose log it is."},
	Chain:       {"Đoạn nhật ký không nối được với phần máy này đang giữ.", "The piece of a log does not fit what this machine holds."},
	Fork:        {"Nhật ký của một thiết bị có hai nhánh khác nhau; quản trị viên cần xem xét.", "A device's log has two different branches; an administrator has to look."},
	Receipt:     {"Biên nhận không mang chữ ký của thiết bị đã ký.", "The receipt does not carry its signer's signature."},
	Unheld:      {"Biên nhận nêu dữ liệu mà máy này không giữ.", "The receipt names data that this machine does not hold."},
	Limit:       {"Nhiều nhật ký, thiết bị hoặc chứng thư hơn mức cho phép.", "There are more logs, devices or certificates than allowed."},
	Unwelcome:   {"Thiết bị này không phải là thiết bị được chờ ở đây.", "This device is not the one expected here."},
	Cut:         {"Người vận hành đã ngắt đường nối này.", "The operator has cut this line."},
	Ended:       {"Thiết bị ghi mục này đã bị thu hồi trước đó; mục này không được nhận.", "The device that wrote this entry was revoked before it; the entry is not taken."},
	Budget:      {"Đã dùng hết hạn mức dữ liệu hoặc thời gian của lần kết nối này; phần còn lại sẽ gửi ở lần sau.", "This contact has used up the data or time that it is allowed; the rest is sent at the next one."},
	Missing:     {"Máy này không giữ tệp đính kèm được hỏi.", "This machine does not hold the attachment asked for."},
	Unproven:    {"Điểm kiểm tra không mang chữ ký của đa số máy chủ trong cụm hiện nay nên không được tin.", "The checkpoint isn't signed by most machines of the hub's present group, so it is not believed."},
	Compacted:   {"Máy này đã dọn phần cũ của nhật ký mà mọi nơi còn liên lạc đều đã nhận; máy kia cần lấy phần đó từ tỉnh.", "This machine has compacted the older part of the log, which all that are in touch had acknowledged; the other one has to get it from the province."},
	Revoked:     {"Thiết bị bị từ chối đã bị thu hồi, nên không được gửi hay nhận dữ liệu nữa.", "The device that was refused is revoked: nothing is sent to it or taken from it any more."},
	Unavailable: {"Máy chưa đọc hoặc lưu được dữ liệu lúc này; sẽ tự thử lại.", "The machine can't read or store data just now; it will try again by itself."},
}

// Refusal is why a session ended before its connection did. It is an error.
type Refusal struct {
	Code   Code
	Reason Text
	Where  string // the place: a message, a log and seq, a device; no personal data
	Remote bool   // the other side refused; Where is its words
}

// Refuse makes this side's refusal. Where is cut to MaxWhere bytes.
func Refuse(code Code, where string, args ...any) *Refusal {
	where = fmt.Sprintf(where, args...)
	where = strings.ToValidUTF8(where[:min(len(where), MaxWhere)], "")
	return &Refusal{Code: code, Reason: texts[code], Where: where}
}

func (r *Refusal) Error() string {
	by := "refused"
	if r.Remote {
		by = "refused by the other side"
	}
	return fmt.Sprintf("%s: %s (code %d, at %s)", by, r.Reason.EN, r.Code, r.Where)
}

// Frame is the refusal as a message, for a connection on which no session runs.
func (r *Refusal) Frame() ([]byte, error) {
	return encode(refuse{Kind: kindRefuse, Code: uint(r.Code), VI: r.Reason.VI, EN: r.Reason.EN, Where: r.Where})
}

// declined is why the other side didn't take one item.
func (m *refused) refusal() *Refusal {
	return (&refuse{Code: m.Code, VI: m.VI, EN: m.EN, Where: m.Where}).refusal()
}

// refusal is what the other side refused. What a code is known for is said in
// this program's words.
func (m *refuse) refusal() *Refusal {
	reason, known := texts[Code(m.Code)]
	if !known {
		reason = Text{VI: m.VI, EN: m.EN}
	}
	return &Refusal{Code: Code(m.Code), Reason: reason, Where: m.Where, Remote: true}
}
