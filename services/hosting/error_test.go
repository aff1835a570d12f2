package hosting_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"framagit.org/frama/frama/services/hosting"
)

func TestErrorKeepsItsCauseForTheLog(t *testing.T) {
	err := &hosting.Error{Code: hosting.Unavailable, Key: "error.database", Err: io.ErrUnexpectedEOF}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got, want := err.Error(), "unavailable: error.database: unexpected EOF"; got != want {
		t.Errorf("log line %q, want %q", got, want)
	}
}

func TestErrorNamesItsFields(t *testing.T) {
	err := &hosting.Error{Code: hosting.Invalid, Key: "error.form", Fields: []hosting.FieldError{{Field: "slug", Key: "error.slug_length"}}}
	if got, want := err.Error(), "invalid: error.form; slug: error.slug_length"; got != want {
		t.Errorf("log line %q, want %q", got, want)
	}
	if f, ok := err.Field("slug"); !ok || f.Key != "error.slug_length" {
		t.Errorf("Field(slug) = %+v, %v", f, ok)
	}
	if _, ok := err.Field("email"); ok {
		t.Error("a field that is right has an error")
	}
}

func TestCodeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want hosting.Code
	}{
		{hosting.Errorf(hosting.Forbidden, "error.role", "admin"), hosting.Forbidden},
		{fmt.Errorf("page: %w", hosting.Errorf(hosting.NotFound, "error.not_found")), hosting.NotFound},
		{io.EOF, hosting.Internal},
	} {
		if got := hosting.CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %s, want %s", c.err, got, c.want)
		}
	}
}
