package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"framagit.org/frama/frama/services/hosting"
)

// tracing makes a tracer that sends to the endpoint, or one that does nothing, and what sends the rest at the end.
func tracing(ctx context.Context, o Options) (trace.Tracer, func(context.Context) error, error) {
	if o.Endpoint == "" {
		return noop.NewTracerProvider().Tracer(""), func(context.Context) error { return nil }, nil
	}
	at, err := url.Parse(o.Endpoint)
	if err != nil || at.Host == "" {
		return nil, nil, fmt.Errorf("tracing.endpoint: %q is no address, as http://127.0.0.1:4318", o.Endpoint)
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(at.Host), otlptracehttp.WithURLPath(strings.TrimSuffix(at.Path, "/") + "/v1/traces"), otlptracehttp.WithTimeout(10 * time.Second),
	}
	if at.Scheme == "http" {
		options = append(options, otlptracehttp.WithInsecure())
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("traces: %w", err)
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(&teller{SpanExporter: exporter, log: o.Log}), sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Ratio))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "frama"), attribute.String("service.version", o.Version))),
	)
	return provider.Tracer("framagit.org/frama/frama"), provider.Shutdown, nil
}

// teller tells in frama's own log that traces cannot be sent: once, until they can again. They are lost, and nothing else is.
type teller struct {
	sdk.SpanExporter

	log *slog.Logger
	bad bool // the last ones could not be sent; exports never overlap
}

// ExportSpans implements sdk.SpanExporter.
func (t *teller) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := t.SpanExporter.ExportSpans(ctx, spans)
	if err != nil && !t.bad {
		t.log.Warn("traces cannot be sent: see whether the collector at tracing.endpoint answers", "error", err)
	}
	t.bad = err != nil
	return nil
}

// methods are those of the routes, and what browsers and monitors ask beside.
var methods = []string{"GET", "HEAD", "POST", "OPTIONS"}

// Request begins the trace of a request to frama's pages and returns what ends it, given the route (as it is registered,
// without what stands for its parameters) and the status. Its signature is that of web.Options.Around.
func (t *Telemetry) Request(ctx context.Context, id, method string) (context.Context, func(route string, status int)) {
	started := time.Now()
	if !slices.Contains(methods, method) {
		method = "other" // whoever asks may have made it up
	}
	ctx, span := t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("frama.request", id)))
	return ctx, func(route string, status int) {
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		if status >= 500 {
			span.SetStatus(codes.Error, "")
		}
		span.End()
		t.requests.WithLabelValues(route, method, fmt.Sprint(status)).Observe(time.Since(started).Seconds())
	}
}

// Step begins the trace of one attempt of a step, and returns what ends it: done, waiting or failed. Its signature is that
// of work.Worker.Around.
func (t *Telemetry) Step(ctx context.Context, run, kind, step string) (context.Context, func(result string)) {
	started := time.Now()
	ctx = hosting.WithReference(ctx, "run", run)
	ctx, span := t.tracer.Start(ctx, kind+" "+step, trace.WithAttributes(attribute.String("frama.run", run), attribute.String("frama.step", step)))
	return ctx, func(result string) {
		span.SetAttributes(attribute.String("frama.result", result))
		if result == "failed" {
			span.SetStatus(codes.Error, "")
		}
		span.End()
		t.steps.WithLabelValues(kind, step, result).Observe(time.Since(started).Seconds())
	}
}
