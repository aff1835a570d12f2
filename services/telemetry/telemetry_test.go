package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/telemetry"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+text, "\n"+l+"\n") {
			t.Errorf("missing: %s", l)
		}
	}
}

// TestFigures: what the database counts becomes figures, a state that nobody is in is 0, and what visitors make up is no
// label.
func TestFigures(t *testing.T) {
	tel, err := telemetry.New(t.Context(), telemetry.Options{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	fails := false
	h := tel.Handler(func(context.Context) (store.Tally, error) {
		if fails {
			return store.Tally{}, errors.New("gone")
		}
		return store.Tally{
			Spaces: map[string]int{"active": 7}, Levels: map[string]int{"full": 2}, OldestParked: noon.Add(-time.Hour), Series: 10, Unmeasured: 3,
			Stopped: 4, StopProblems: 1, EdgeVersion: 12, Edges: []store.EdgeSeen{{Name: "e", Version: 9, SeenAt: noon}},
			Clusters: []store.ClusterTally{{Capacity: hosting.Capacity{Cluster: "main", Allocatable: hosting.Resources{CPU: 100, Memory: 200, Disk: 300}},
				Reserved: hosting.Resources{CPU: 5}}},
		}, nil
	}, hosting.Overcommit{CPU: 3, Memory: 1}, func() time.Time { return noon })
	_, end := tel.Request(t.Context(), "r1", "BREW")
	end("/track/:token", 404)
	_, done := tel.Step(t.Context(), "run1", "provision", "jobs")
	done("failed")
	tel.Measured(time.Second, []hosting.Reading{{Metric: "pads", Value: 3}, {Metric: "storage", Problem: "it hangs"}})
	text := scrape(t, h)
	has(t, text, `frama_build_info{version="1.2.3"} 1`, `frama_database_up 1`,
		`frama_objects{kind="space",state="active"} 7`, `frama_objects{kind="space",state="failed"} 0`, `frama_objects{kind="mail",state="waiting"} 0`,
		`frama_quota_spaces{level="full"} 2`, `frama_quota_spaces{level="ok"} 0`, `frama_oldest_seconds{what="run_parked"} 3600`,
		`frama_oldest_seconds{what="mail_waiting"} 0`, `frama_usage_instances{result="failing"} 3`, `frama_usage_instances{result="measured"} 7`,
		`frama_growth_stopped_instances{result="stopped"} 3`, `frama_edge_version_lag{agent="e"} 3`,
		`frama_cluster_resource{cluster="main",resource="cpu",what="promisable"} 300`, `frama_cluster_resource{cluster="main",resource="cpu",what="reserved"} 5`,
		`frama_http_request_duration_seconds_count{code="404",method="other",route="/track/:token"} 1`,
		`frama_step_duration_seconds_count{kind="provision",result="failed",step="jobs"} 1`,
		`frama_usage_readings_total{metric="storage",result="failed"} 1`)
	if strings.Contains(text, "BREW") {
		t.Error("a made-up method is a label")
	}
	fails = true
	text = scrape(t, h)
	has(t, text, `frama_database_up 0`)
	if strings.Contains(text, "frama_objects") {
		t.Error("a database that does not answer still has figures")
	}
}

// TestTraces sends traces to a collector that speaks OTLP, and reads what arrived.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	spans := map[string]map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var got collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &got); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range got.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					attrs := map[string]string{}
					for _, a := range s.Attributes {
						attrs[a.Key] = a.Value.GetStringValue()
					}
					spans[s.Name] = attrs
				}
			}
		}
	}))
	defer server.Close()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Version: "1", Endpoint: server.URL, Ratio: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := tel.Request(t.Context(), "r1", "GET")
	var b bytes.Buffer
	log := slog.New(telemetry.Handler{Handler: slog.NewJSONHandler(&b, nil)})
	log.InfoContext(hosting.WithReference(ctx, "request", "r1"), "hello", "other", 1)
	end("/admin/spaces/:id", 200)
	_, done := tel.Step(t.Context(), "run1", "provision", "jobs")
	done("done")
	if err := tel.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := spans["GET /admin/spaces/:id"]; got["frama.request"] != "r1" || got["http.route"] != "/admin/spaces/:id" {
		t.Errorf("spans: %v", spans)
	}
	if got := spans["provision jobs"]; got["frama.run"] != "run1" || got["frama.result"] != "done" {
		t.Errorf("spans: %v", spans)
	}
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["request"] != "r1" || len(line["trace"].(string)) != 32 {
		t.Errorf("the line of the log: %v", line)
	}
}

// TestLostTraces: a collector that does not answer is told of once, in frama's own log.
func TestLostTraces(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	var b bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&b, nil))
	tel, err := telemetry.New(t.Context(), telemetry.Options{Version: "1", Endpoint: server.URL, Ratio: 1, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for range 600 { // more than one batch
		_, end := tel.Step(t.Context(), "u1", "provision", "jobs")
		end("done")
	}
	if err := tel.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Count(b.String(), "traces cannot be sent") != 1 {
		t.Errorf("the log: %s", b.String())
	}
}

// TestNoTraces: without an endpoint nothing is sent and nothing is held up; one that cannot work is refused.
func TestNoTraces(t *testing.T) {
	tel, err := telemetry.New(t.Context(), telemetry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, end := tel.Request(t.Context(), "r", "GET")
	end("/", 200)
	if err := tel.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := telemetry.New(t.Context(), telemetry.Options{Endpoint: "nowhere"}); err == nil {
		t.Error("an endpoint without a scheme is taken")
	}
}

// TestLog: a line names the run it belongs to once, whoever named it.
func TestLog(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(telemetry.Handler{Handler: slog.NewTextHandler(&b, nil)})
	ctx := hosting.WithReference(hosting.WithReference(t.Context(), "request", "r1"), "run", "u1")
	log.WarnContext(ctx, "one", "run", "u1")
	log.With("more", 1).InfoContext(ctx, "two")
	log.Info("three")
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if strings.Count(lines[0], "run=u1") != 1 || !strings.Contains(lines[0], "request=r1") {
		t.Error(lines[0])
	}
	if !strings.Contains(lines[1], "request=r1") || !strings.Contains(lines[1], "run=u1") {
		t.Error(lines[1])
	}
	if strings.Contains(lines[2], "run=") {
		t.Error(lines[2])
	}
}
