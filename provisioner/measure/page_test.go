package measure_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner/measure"
	"framagit.org/frama/frama/provisioner/measure/measuretest"
)

var getStats = fmt.Sprintf("usage \"pads\" {\n  from  = \"http-json\"\n  path  = %q\n  field = %q\n}\n", measuretest.Path, measuretest.Field)

// serve answers on loopback and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// TestPageIsAskedAsTheIngressWould: with the public name, over HTTPS as the application believes, and with its key.
func TestPageIsAskedAsTheIngressWould(t *testing.T) {
	i, cluster := pads, &paper{t: t, secrets: map[string]string{"api_key": "a&b c/d+é"}}
	var asked atomic.Int64
	i.Address = serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Host != i.Host || r.Header.Get("X-Forwarded-Proto") != "https" || r.Header.Get("X-Forwarded-Host") != i.Host ||
			r.URL.Query().Get("apikey") != "a&b c/d+é" || r.Method != http.MethodGet || r.Header.Get("Cookie") != "" {
			t.Errorf("%s %s of %s: %v", r.Method, r.URL, r.Host, r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		fmt.Fprint(w, `{"data":{"totalPads":"9007199254740991"}}`)
	})
	apps := appWith(t, getStats+"usage \"files\" {\n  from = \"http-json\"\n  path = \"/other?apikey={api_key}\"\n  field = \"data.totalPads\"\n}\n")
	got := look(t, measure.Options{Cluster: cluster, Catalogue: apps}, i)
	if got["pads"].Value != 1<<53-1 || got["files"].Value != 1<<53-1 || len(got) != 2 || asked.Load() != 2 {
		t.Errorf("%+v after %d requests", got, asked.Load())
	}
	if n := cluster.reads.Load(); n != 1 {
		t.Errorf("the variable was read %d times", n)
	}
}

// TestVariableIsReadForPlaceholdersOnly: 10 000 reads an hour that nobody needs are a load on the cluster.
func TestVariableIsReadForPlaceholdersOnly(t *testing.T) {
	i, cluster := pads, &paper{t: t}
	i.Address = serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "pads{a=\"1\"} 3\npads{a=\"2\"} 4\n") })
	got := look(t, measure.Options{Cluster: cluster, Catalogue: appWith(t, "usage \"pads\" {\n  from = \"prometheus\"\n  path = \"/metrics\"\n  field = \"pads\"\n}\n")}, i)
	if got["pads"].Value != 7 || cluster.reads.Load() != 0 {
		t.Errorf("%+v; the variable was read %d times", got, cluster.reads.Load())
	}
}

func TestMissingKeyAndAddress(t *testing.T) {
	i, cluster := pads, &paper{t: t}
	apps := appWith(t, getStats)
	if got := look(t, measure.Options{Cluster: cluster, Catalogue: apps}, i); !strings.Contains(got["pads"].Problem, "no address yet") {
		t.Errorf("%+v", got)
	}
	i.Address = serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked without its key") })
	if got := look(t, measure.Options{Cluster: cluster, Catalogue: apps}, i); !strings.Contains(got["pads"].Problem, "{api_key}") {
		t.Errorf("%+v", got)
	}
}

// TestMisbehaviour: whatever an instance answers is a problem in words, within its time, and an honest neighbour is
// measured all the same.
func TestMisbehaviour(t *testing.T) {
	farm, apps := measuretest.Open(t, 0), appWith(t, getStats)
	for n, m := range measuretest.Misbehaviours() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			i, cluster := pads, &paper{t: t, secrets: map[string]string{"api_key": apiKey}}
			i.Address = farm.Rogue(n, m)
			timeout := 20 * time.Second
			if m.Slow {
				timeout = time.Second
			}
			got := look(t, measure.Options{Cluster: cluster, Catalogue: apps, Timeout: timeout}, i)
			if r := got["pads"]; r.Problem == "" || !strings.Contains(r.Problem, m.Words) || len([]rune(r.Problem)) > 600 {
				t.Errorf("%+v; want %q", r, m.Words)
			}
			i.Address = farm.Honest(n)
			if got := look(t, measure.Options{Cluster: cluster, Catalogue: apps, Timeout: 20 * time.Second}, i); got["pads"].Value != measuretest.Number(n) {
				t.Errorf("the honest neighbour: %+v", got)
			}
		})
	}
}

// TestSilenceIsWaitedForOnce: many probes of an instance that hangs take no longer than one.
func TestSilenceIsWaitedForOnce(t *testing.T) {
	var blocks strings.Builder
	for _, metric := range []string{"pads", "files", "posts", "polls", "forms", "events"} {
		fmt.Fprintf(&blocks, "usage %q {\n  from = \"http-json\"\n  path = \"/%s\"\n  field = \"a\"\n}\n", metric, metric)
	}
	i := pads
	hang := make(chan struct{})
	var asked atomic.Int64
	i.Address = serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1); <-hang })
	defer close(hang)
	got := look(t, measure.Options{Cluster: &paper{t: t}, Catalogue: appWith(t, blocks.String()), Timeout: 200 * time.Millisecond}, i)
	for metric, r := range got {
		if !strings.Contains(r.Problem, "no whole answer within 200ms") {
			t.Errorf("%s: %+v", metric, r)
		}
	}
	if asked.Load() != 1 || len(got) != 6 {
		t.Errorf("%d requests, %d readings", asked.Load(), len(got))
	}
}

// TestBrokenOffIsNoProblem: when frama stops in the middle of a look, the instance is not to blame.
func TestBrokenOffIsNoProblem(t *testing.T) {
	i := pads
	ctx, stop := context.WithCancel(t.Context())
	hang := make(chan struct{})
	i.Address = serve(t, func(http.ResponseWriter, *http.Request) { stop(); <-hang })
	defer close(hang)
	_, err := measure.New(measure.Options{Cluster: &paper{t: t, secrets: map[string]string{"api_key": apiKey}}, Catalogue: appWith(t, getStats),
		URL: func(host string) string { return "https://" + host }, Timeout: 20 * time.Second, Now: time.Now}).Measure(ctx, i)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
