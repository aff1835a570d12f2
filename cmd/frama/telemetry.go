package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/telemetry"
)

// observed makes the figures and traces of a process. Whoever made them closes them, so that no trace is lost.
func (a *app) observed(ctx context.Context) (*telemetry.Telemetry, error) {
	t := a.config.Tracing
	return telemetry.New(ctx, telemetry.Options{Version: version(), Endpoint: t.Endpoint, Ratio: t.Ratio, Log: a.log})
}

// closeTelemetry sends what traces wait. A collector that does not answer holds nobody up for long.
func (a *app) closeTelemetry(t *telemetry.Telemetry) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		a.log.Warn("the last traces could not be sent", "error", err)
	}
}

// serveMetrics answers Prometheus at metrics.listen, where there is one, until ctx ends.
func (a *app) serveMetrics(ctx context.Context, group *errgroup.Group, t *telemetry.Telemetry) error {
	if a.config.Metrics.Listen == "" {
		return nil
	}
	l, err := listen(a.config.Metrics.Listen, "metrics.listen")
	if err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(l.Addr().String()); err == nil && !net.ParseIP(host).IsLoopback() {
		a.log.Warn("/metrics can be read by whoever reaches it: keep metrics.listen on loopback or on a private network", "listen", l.Addr().String())
	}
	count := func(ctx context.Context) (tally store.Tally, err error) {
		err = a.store.Read(ctx, func(tx *store.Tx) error {
			tally, err = tx.Tally()
			return err
		})
		if err != nil {
			a.log.Warn("the figures for Prometheus could not be counted", "error", err)
		}
		return tally, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.Handler(count, a.overcommit(), now))
	group.Go(func() error {
		defer l.Close()
		return serveHTTP(ctx, l, mux)
	})
	return nil
}

func (a *app) overcommit() hosting.Overcommit {
	return hosting.Overcommit{CPU: a.config.Capacity.OvercommitCPU, Memory: a.config.Capacity.OvercommitMemory}
}
