package hosting

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Code classes an error by what the one who meets it can do about it. Each maps to one HTTP status and one exit status.
type Code string

const (
	Invalid     Code = "invalid"     // what was sent is wrong: 422
	NotFound    Code = "not_found"   // 404
	Conflict    Code = "conflict"    // somebody was faster, or the state forbids it: 409
	Forbidden   Code = "forbidden"   // 403
	Unsigned    Code = "unsigned"    // sign in first: 401
	TooMany     Code = "too_many"    // come back later: 429
	Unavailable Code = "unavailable" // something frama needs is down: 503
	Internal    Code = "internal"    // 500; people see nothing more
)

// Error is an error that a person reads. Key names a message of services/locale, Args fill its placeholders.
type Error struct {
	Code   Code
	Key    string
	Args   []any
	Fields []FieldError // what is wrong with which field, for Invalid
	Err    error        // the cause, for logs only
}

// FieldError is what is wrong with one field of a form.
type FieldError struct {
	Field string // name of the form's field
	Key   string // message key
	Args  []any
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Key)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", f.Field, f.Key)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Field returns what is wrong with the named field, if anything.
func (e *Error) Field(name string) (FieldError, bool) {
	for _, f := range e.Fields {
		if f.Field == name {
			return f, true
		}
	}
	return FieldError{}, false
}

// Errorf makes an Error without a cause.
func Errorf(code Code, key string, args ...any) *Error {
	return &Error{Code: code, Key: key, Args: args}
}

// CodeOf returns the code of err; errors that are not of this package are Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// fieldErrors collects what is wrong with a form, the first finding per field.
type fieldErrors map[string]FieldError

func (f fieldErrors) add(field, key string, args ...any) {
	if _, known := f[field]; !known {
		f[field] = FieldError{Field: field, Key: key, Args: args}
	}
}

func (f fieldErrors) err() error {
	if len(f) == 0 {
		return nil
	}
	e := &Error{Code: Invalid, Key: "error.form"}
	for _, v := range f {
		e.Fields = append(e.Fields, v)
	}
	sort.Slice(e.Fields, func(i, j int) bool { return e.Fields[i].Field < e.Fields[j].Field })
	return e
}
