package telemetry

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// tally turns what is in the database into figures, at each scrape: no figure is ever older than its scrape, and several
// servers on one database agree.
type tally struct {
	count      func(context.Context) (store.Tally, error)
	overcommit hosting.Overcommit
	now        func() time.Time

	up, state, oldest, levels, measured, growth, storage, asks, edge, cluster, expiry, failures, seen *prometheus.Desc
}

const scrapeLimit = 10 * time.Second // for the database to answer a scrape

// Handler serves the figures for Prometheus, those of the database among them.
func (t *Telemetry) Handler(count func(context.Context) (store.Tally, error), overcommit hosting.Overcommit, now func() time.Time) http.Handler {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("frama_"+name, help, labels, nil)
	}
	t.registry.MustRegister(&tally{
		count: count, overcommit: overcommit, now: now,
		up:       desc("database_up", "1 when the database answered this scrape."),
		state:    desc("objects", "How many there are, by kind and state.", "kind", "state"),
		oldest:   desc("oldest_seconds", "How long the oldest of them waits; 0 for none.", "what"),
		levels:   desc("quota_spaces", "Spaces by their highest level.", "level"),
		measured: desc("usage_instances", "Instances that are measured, by result.", "result"),
		growth:   desc("growth_stopped_instances", "Instances whose growth is to be stopped, by how that goes.", "result"),
		storage:  desc("storage_used_bytes", "Bytes that count against the limits of all spaces."),
		asks:     desc("quota_asks_open", "Wishes for more that wait for an answer."),
		edge:     desc("edge_version_lag", "How many versions an ingress agent is behind.", "agent"),
		cluster:  desc("cluster_resource", "CPU (MHz), memory and disk (MiB) of a cluster.", "cluster", "resource", "what"),
		expiry:   desc("certificate_next_expiry_seconds", "Until the next valid certificate expires, Unix time; 0 for none."),
		failures: desc("certificate_failures", "Certificates whose last order failed."),
		seen:     desc("seen_timestamp_seconds", "When an ingress agent reported, or a cluster was looked at, Unix time.", "kind", "name"),
	})
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Timeout: 2 * scrapeLimit})
}

// Describe implements prometheus.Collector.
func (c *tally) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.state, c.oldest, c.levels, c.measured, c.growth, c.storage, c.asks, c.edge, c.cluster, c.expiry, c.failures, c.seen} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *tally) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	t, err := c.count(ctx)
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if err != nil {
		gauge(c.up, 0)
		return
	}
	gauge(c.up, 1)
	// A state that nobody is in is 0, not absent: an alert on it must see it come and go.
	for _, k := range []struct {
		kind   string
		states []string
		counts map[string]int
	}{
		{"request", words(hosting.RequestStates()), t.Requests}, {"space", words(hosting.SpaceStates()), t.Spaces},
		{"run", []string{"ready", "running", "parked", "done", "withdrawn"}, t.Runs},
		{"instance", words([]hosting.Health{hosting.HealthUnknown, hosting.HealthPending, hosting.HealthHealthy, hosting.HealthUnhealthy}), t.Instances},
		{"certificate", words([]hosting.CertificateState{hosting.CertificateWanted, hosting.CertificateValid}), t.Certificates},
		{"mail", []string{"waiting", "sent", "failed"}, t.Mails},
	} {
		for _, s := range k.states {
			gauge(c.state, float64(k.counts[s]), k.kind, s)
		}
	}
	for _, level := range hosting.Levels() {
		gauge(c.levels, float64(t.Levels[string(level)]), string(level))
	}
	for _, o := range []struct {
		what string
		at   time.Time
	}{{"run_parked", t.OldestParked}, {"run_ready", t.OldestReady}, {"mail_waiting", t.OldestMail}, {"usage_measured", t.OldestMeasured}} {
		age := 0.0
		if !o.at.IsZero() {
			age = max(0, c.now().Sub(o.at).Seconds())
		}
		gauge(c.oldest, age, o.what)
	}
	gauge(c.measured, float64(t.Series-t.Unmeasured), "measured")
	gauge(c.measured, float64(t.Unmeasured), "failing")
	gauge(c.growth, float64(t.Stopped-t.StopProblems), "stopped")
	gauge(c.growth, float64(t.StopProblems), "failing")
	gauge(c.storage, float64(t.Storage))
	gauge(c.asks, float64(t.Asks))
	gauge(c.expiry, unix(t.NextExpiry))
	gauge(c.failures, float64(t.CertificateFailures))
	for _, e := range t.Edges {
		gauge(c.edge, float64(max(0, t.EdgeVersion-e.Version)), e.Name)
		gauge(c.seen, unix(e.SeenAt), "edge", e.Name)
	}
	for _, cl := range t.Clusters {
		for _, r := range []struct {
			what string
			of   hosting.Resources
		}{{"allocatable", cl.Allocatable}, {"promisable", cl.Promisable(c.overcommit)}, {"reserved", cl.Reserved}, {"used", cl.Used}} {
			gauge(c.cluster, float64(r.of.CPU), cl.Cluster, "cpu", r.what)
			gauge(c.cluster, float64(r.of.Memory), cl.Cluster, "memory", r.what)
			gauge(c.cluster, float64(r.of.Disk), cl.Cluster, "disk", r.what)
		}
		gauge(c.seen, unix(cl.SeenAt), "cluster", cl.Cluster)
	}
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

func words[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}
