package provisioner_test

import (
	"strings"
	"testing"

	"framagit.org/frama/frama/services/hosting"
)

// An application behind a proxy that it does not know takes all visitors for one, and locks all of them out at once.
func TestJobsAreToldTheIngress(t *testing.T) {
	w := newWorld(t, "photos", "pads")
	w.approved("lilas", "photos")
	v := w.work("lilas")
	if s := step(v); s.Name != "jobs" || v.Space.State != hosting.SpaceFailed || !strings.Contains(s.Message, "edge.addresses") || len(w.cluster.jobs) > 0 {
		t.Fatalf("registered, and the host names no ingress: %+v", s)
	}
	w.approved("mimosa", "pads")
	if v := w.work("mimosa"); v.Space.State != hosting.SpaceActive {
		t.Errorf("this one does not ask for it: %+v", step(v))
	}
	w.p.Options.Ingress = []string{"192.0.2.10", "2001:db8::/64"}
	if err := w.RetryRun(t.Context(), operator, v.LastRun().ID); err != nil {
		t.Fatal(err)
	}
	if v := w.work("lilas"); v.Space.State != hosting.SpaceActive {
		t.Fatalf("%+v", step(v))
	}
	last := w.cluster.jobs[len(w.cluster.jobs)-1]
	if got := last.Variables["ingress"]; last.ID != "lilas-behind-proxy" || got != "192.0.2.10 2001:db8::/64" {
		t.Errorf("%s: %v", last.ID, got)
	}
}
