package provisioner_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

// An application that was interrupted in its first start answers its health page, and has no administrator: its space stays
// closed until it proves the contrary, and nobody is welcomed.
func TestAHalfInstalledApplicationIsNotOpened(t *testing.T) {
	w := newWorld(t, "wiki")
	var asked []string
	half := true
	w.p.Requests = func(_ context.Context, _ hosting.Instance, list []catalogue.Request) error {
		if list[0].Name != "first account" {
			return nil
		}
		asked = append(asked, list[0].Path)
		if half {
			return errors.New("request first account: GET /me: status 401 instead of 200")
		}
		return nil
	}
	w.approved("lilas", "wiki")
	for range 3 {
		v := w.work("lilas")
		if s := step(v); s.Name != "activate" || v.Space.State == hosting.SpaceActive || !strings.Contains(s.Message, "not ready to open") ||
			!strings.Contains(s.Message, "status 401") {
			t.Fatalf("half installed: %s, %+v", v.Space.State, s)
		}
	}
	v := w.space("lilas")
	if run := v.LastRun(); run.State != work.RunParked || v.Space.State != hosting.SpaceFailed || len(asked) != 3 {
		t.Fatalf("the run is %s, the space %s, asked %d times", run.State, v.Space.State, len(asked))
	}
	half = false
	if err := w.RetryRun(t.Context(), operator, v.LastRun().ID); err != nil {
		t.Fatal(err)
	}
	if v := w.work("lilas"); v.Space.State != hosting.SpaceActive || len(asked) != 4 {
		t.Errorf("%s after %d questions: %+v", v.Space.State, len(asked), step(v))
	}
}
