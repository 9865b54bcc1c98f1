// Package node is the vocabulary of the node: what its packages say to each
// other about failures. An Error carries a code that the edges map (HTTP status,
// exit code) and a sentence that tells a person what happened, where, and what
// they can do about it.
package node

import (
	"errors"
	"fmt"
	"slices"
)

// Code says what kind of failure an Error is.
type Code string

// The codes. They are part of the HTTP interface ("code" in a problem).
const (
	Invalid         Code = "invalid"         // the input can't be read; the person can mend it
	NotFound        Code = "not_found"       // there is no such thing
	Conflict        Code = "conflict"        // the state has moved on
	Unauthenticated Code = "unauthenticated" // no session, or a wrong secret
	Forbidden       Code = "forbidden"       // not for this officer or this role
	RateLimited     Code = "rate_limited"    // too many tries
	ReadOnly        Code = "read_only"       // this node takes no saves
	TooLarge        Code = "too_large"       // over a limit that the message names
	Unavailable     Code = "unavailable"     // not now: busy, closing, another copy runs
	Damaged         Code = "damaged"         // what is stored is not what was written
	Internal        Code = "internal"        // a fault of the program
)

// Error is a failure that someone outside is told about.
type Error struct {
	Code    Code
	Message Text         // a whole sentence; no personal data
	Fields  []FieldError // what is wrong with the input, place by place
	Err     error        // the cause, for the log
}

// Text is what a person reads, in both languages.
type Text struct {
	VI string `json:"vi" yaml:"vi"`
	EN string `json:"en" yaml:"en"`
}

// FieldError says what is wrong with one field of the input. Value is not set
// where it could be personal.
type FieldError struct {
	Field   string
	Message Text
	Value   string
}

// Errorf makes an Error. The same arguments fill both texts, errors in the language
// of each as far as there are words; %w wraps in both.
func Errorf(code Code, vi, en string, args ...any) *Error {
	err := fmt.Errorf(en, args...)
	here := slices.Clone(args)
	for i, arg := range here {
		if cause, is := arg.(error); is {
			here[i] = spoken{cause}
		}
	}
	return &Error{Code: code, Message: Text{VI: fmt.Errorf(vi, here...).Error(), EN: err.Error()}, Err: errors.Unwrap(err)}
}

// Error is the English sentence, with the cause if the sentence doesn't hold it.
func (e *Error) Error() string {
	s := e.Message.EN
	for _, f := range e.Fields {
		s += fmt.Sprintf("; %s: %s", f.Field, f.Message.EN)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Reason is what an Error in err's chain says of its fields, in one text of each
// language; what err itself says where there is none.
func Reason(err error) Text {
	var e *Error
	if !errors.As(err, &e) {
		return Text{VI: vietnamese(err), EN: err.Error()}
	}
	return Text{VI: e.in(func(t Text) string { return t.VI }), EN: e.in(func(t Text) string { return t.EN })}
}

func (e *Error) in(language func(Text) string) string {
	s := language(e.Message)
	for _, f := range e.Fields {
		s += " " + f.Field + ": " + language(f.Message)
	}
	return s
}

// CodeOf is the code of the Error in err's chain, or Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
