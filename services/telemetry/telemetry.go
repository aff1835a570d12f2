// Package telemetry lets ops see what frama does: figures for Prometheus, traces for OpenTelemetry, and the references
// that lead from a line of the log to a request or a run.
//
// The parts of frama know nothing of it. They offer hooks (web.Options.Around, work.Worker.Around), which cmd/frama fills
// in, and carry references in their contexts (hosting.WithReference), which Handler adds to each line.
//
// Labels have few values, whatever people do: names of routes, states, kinds and steps. No name, address or token of
// anybody is ever part of a figure or a trace.
package telemetry

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"

	"framagit.org/frama/frama/services/hosting"
)

// Telemetry is one process's figures and traces.
type Telemetry struct {
	registry *prometheus.Registry // our own: libraries that register themselves elsewhere stay out
	tracer   trace.Tracer
	flush    func(context.Context) error

	requests *prometheus.HistogramVec
	steps    *prometheus.HistogramVec
	probes   *prometheus.CounterVec
	sweep    prometheus.Histogram
}

// Options are what telemetry needs to know of the configuration.
type Options struct {
	Version  string
	Endpoint string  // of OTLP over HTTP; empty for no traces
	Ratio    float64 // share of traces that is kept, 0 to 1
	Log      *slog.Logger
}

// New makes the figures of a process, and the way its traces go.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{registry: prometheus.NewRegistry()}
	t.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "frama_http_request_duration_seconds", Help: "Time to answer requests to frama's own pages.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "code"})
	t.steps = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "frama_step_duration_seconds", Help: "Time of one attempt of a step of a run.",
		Buckets: []float64{.01, .05, .25, 1, 5, 15, 60, 300},
	}, []string{"kind", "step", "result"})
	t.probes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "frama_usage_readings_total", Help: "Figures read from instances, and those that could not be.",
	}, []string{"metric", "result"})
	t.sweep = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "frama_usage_measurement_duration_seconds", Help: "Time to measure one instance.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60},
	})
	t.registry.MustRegister(t.requests, t.steps, t.probes, t.sweep,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "frama_build_info", Help: "Always 1; the label says which frama runs.", ConstLabels: prometheus.Labels{"version": o.Version},
	})
	build.Set(1)
	t.registry.MustRegister(build)
	var err error
	t.tracer, t.flush, err = tracing(ctx, o)
	return t, err
}

// Close sends the traces that wait.
func (t *Telemetry) Close(ctx context.Context) error { return t.flush(ctx) }

// Measured counts what a look at an instance gave.
func (t *Telemetry) Measured(took time.Duration, readings []hosting.Reading) {
	t.sweep.Observe(took.Seconds())
	for _, r := range readings {
		result := "read"
		if r.Problem != "" {
			result = "failed"
		}
		t.probes.WithLabelValues(r.Metric, result).Inc()
	}
}
