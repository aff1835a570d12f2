package provisioner_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

// settling is a world with an approved space whose application has a setup of two commands and a request.
func settling(t *testing.T) (w *world, requests *[]string) {
	w = newWorld(t, "wiki")
	requests = &[]string{}
	w.p.Requests = func(_ context.Context, i hosting.Instance, list []catalogue.Request) error {
		*requests = append(*requests, i.Host+" at "+i.Address+list[0].Path)
		return nil
	}
	w.approved("lilas", "wiki")
	return w, requests
}

func TestSetup(t *testing.T) {
	w, requests := settling(t)
	if v := w.work("lilas"); v.Space.State != hosting.SpaceActive {
		t.Fatalf("%+v", step(v))
	}
	want := [][]string{
		{"lilas-with-setup", "app", "install", "--quiet"},
		{"lilas-with-setup", "app", "su", "-s", "/bin/sh", "-c", `exec "$0" "$@"`, "--", "www-data", "extend"},
	}
	if !reflect.DeepEqual(w.cluster.execs, want) {
		t.Errorf("commands:\n got %q\nwant %q", w.cluster.execs, want)
	}
	if want := []string{"lilas-wiki.example.org at 192.0.2.1:10000/greet", "lilas-wiki.example.org at 192.0.2.1:10000/me"}; !reflect.DeepEqual(*requests, want) {
		t.Errorf("requests %v, want %v", *requests, want)
	}
}

func TestASetupGoesOnAfterWhatIsDone(t *testing.T) {
	w, _ := settling(t)
	w.cluster.exec = func(_ context.Context, n int, _ []string) (int, string, error) {
		if n == 2 {
			secret := w.cluster.secrets["lilas-with-setup"]["admin_password"]
			return 7, "starting\nlogged in with " + secret + "\r\nno such\ttable\x1b[31m for " + secret + "\n\n", nil
		}
		return 0, "", nil
	}
	v := w.work("lilas")
	s := step(v)
	if s.Name != "setup" || s.State != work.StepWaiting || s.Errors != 1 {
		t.Fatalf("after a failure: %+v", s)
	}
	if want := `setup "extend" of wiki: the command in task app ended with status 7: no such table [31m for •••`; s.Message != want {
		t.Errorf("it says %q, want %q", s.Message, want)
	}
	if v = w.work("lilas"); v.Space.State != hosting.SpaceActive {
		t.Fatalf("once mended: %+v", step(v))
	}
	if len(w.cluster.execs) != 3 || w.cluster.execs[2][len(w.cluster.execs[2])-1] != "extend" {
		t.Errorf("what was done was done again: %q", w.cluster.execs)
	}
}

// A command that did not end may still be at work: the same one beside it could spoil what both make.
func TestASetupThatDoesNotEndIsNotRepeated(t *testing.T) {
	w, _ := settling(t)
	w.p.Options.SetupWithin = 20 * time.Millisecond
	w.cluster.exec = func(ctx context.Context, _ int, _ []string) (int, string, error) {
		<-ctx.Done()
		return 0, "", ctx.Err()
	}
	v := w.work("lilas")
	if s := step(v); v.LastRun().State != work.RunParked || !strings.Contains(s.Message, "did not end within 20ms and may still be at work") {
		t.Errorf("%s, %+v", v.LastRun().State, s)
	}
	if len(w.cluster.execs) != 1 {
		t.Errorf("it was begun %d times", len(w.cluster.execs))
	}
}

// Tools show secrets as part of addresses and JSON, escaped.
func TestASetupHidesSecretsHoweverTheyAreWritten(t *testing.T) {
	for _, written := range []string{"p@ss/w+rd12", "p%40ss%2Fw%2Brd12", `p@ss\/w+rd12`} {
		w, _ := settling(t)
		w.cluster.exec = func(context.Context, int, []string) (int, string, error) {
			w.cluster.secrets["lilas-with-setup"]["db_password"] = "p@ss/w+rd12"
			return 1, "no database at postgres://lilas:" + written + "@db/lilas", nil
		}
		if s := step(w.work("lilas")); !strings.Contains(s.Message, "postgres://lilas:•••@db/lilas") {
			t.Errorf("%s: it says %q", written, s.Message)
		}
	}
}

func TestASetupThatCannotEndWell(t *testing.T) {
	for name, c := range map[string]struct {
		exec    func(context.Context) (int, string, error)
		message string
		parked  bool // after three attempts
	}{
		"fails for ever":   {func(context.Context) (int, string, error) { return 1, "", nil }, "status 1, and wrote nothing", true},
		"the task is gone": {func(context.Context) (int, string, error) { return 0, "", errors.New("it does not run") }, "it does not run", true},
	} {
		t.Run(name, func(t *testing.T) {
			w, requests := settling(t)
			w.p.Options.SetupWithin = 20 * time.Millisecond
			w.cluster.exec = func(ctx context.Context, _ int, _ []string) (int, string, error) { return c.exec(ctx) }
			for range 3 {
				w.work("lilas")
			}
			v := w.space("lilas")
			if s := step(v); !strings.Contains(s.Message, c.message) || (v.LastRun().State == work.RunParked) != c.parked {
				t.Errorf("%s, %+v", v.LastRun().State, s)
			}
			if len(*requests) != 0 || v.Space.State != hosting.SpaceFailed {
				t.Errorf("it went on: %v, %s", *requests, v.Space.State)
			}
		})
	}
}
