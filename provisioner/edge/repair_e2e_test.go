//go:build e2e

package edge

import (
	"context"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

func TestRepair(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads := instance(t, "pads")
	valid := time.Now().Add(time.Hour)
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("pads.test", pads)}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("pads", valid, "pads.test")}
	})
	a := n.start()
	b.acked(t, v)
	ctx := context.Background()
	good := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			resp, err := n.client().Get("https://pads.test/")
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode == 200 {
					return
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s was not mended: %v", what, err)
			}
		}
	}
	if err := a.haproxy.api.quiet(ctx, "clear map "+a.layout.hosts()); err != nil {
		t.Fatal(err)
	}
	good("a cleared map")
	listed, err := a.haproxy.api.listed(ctx, a.layout)
	if err != nil {
		t.Fatal(err)
	}
	for path := range listed {
		if path != a.layout.fallback() {
			if err := a.haproxy.api.expect(ctx, "deleted in crtlist", "del ssl crt-list "+a.layout.crtList()+" "+path); err != nil {
				t.Fatal(err)
			}
		}
	}
	good("a lost certificate")
	// An agent that was killed in the middle of a change leaves a transaction open.
	other := a.layout.cert("left.pem")
	if err := a.haproxy.api.expect(ctx, "New empty", "new ssl cert "+other); err != nil {
		t.Fatal(err)
	}
	left, _, err := newCertificate(n.ca.issue("left", valid, "left.test"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.haproxy.api.expect(ctx, "Transaction created", with("set ssl cert "+other, string(left.pem))); err != nil {
		t.Fatal(err)
	}
	v = b.change(func(s *provisioner.Snapshot) {
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("pads", valid, "pads.test")}
	})
	if got := b.acked(t, v); got.Error != "" {
		t.Errorf("after a transaction that was left open: %s", got.Error)
	}
	good("an open transaction")
	if strings.Contains(n.out.String(), "reloading") {
		t.Error("HAProxy was reloaded for what the runtime API can mend")
	}
	if err := a.haproxy.stop(ctx); err != nil {
		t.Fatal(err)
	}
	good("a HAProxy that ended")
	n.kill()
	n.opts.HSTS = time.Hour // another configuration: needs a reload
	n.start()
	if _, _, resp := n.get(n.client(), "https://pads.test/"); resp.Header.Get("Strict-Transport-Security") == "" {
		t.Error("HAProxy still runs the old configuration")
	}
}

func TestRefusedCertificate(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads := instance(t, "pads")
	valid := time.Now().Add(time.Hour)
	broken := n.ca.issue("broken", valid, "broken.test")
	broken.KeyPEM = n.ca.issue("x", valid, "broken.test").KeyPEM
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{
			active("pads.test", pads),
			{Host: "evil.test\nadd map", Address: "127.0.0.1:1", State: provisioner.RouteActive},
		}
		s.Certificates = []provisioner.EdgeCertificate{broken, n.ca.weak("weak", "weak.test"), n.ca.issue("pads", valid, "pads.test")}
	})
	n.start()
	a := b.acked(t, v)
	for _, want := range []string{"certificate \"broken\" skipped", "certificate weak skipped: HAProxy refuses it", "route \"evil.test\\nadd map\" skipped"} {
		if !strings.Contains(a.Error, want) {
			t.Errorf("no %q in %q", want, a.Error)
		}
	}
	if code, body, _ := n.get(n.client(), "https://pads.test/"); code != 200 || body != "pads" {
		t.Errorf("the good one: %d %s", code, body)
	}
	v = b.change(func(s *provisioner.Snapshot) {
		s.Certificates = append(s.Certificates, n.ca.weak("feeble", "weak.test"))
	})
	if a := b.acked(t, v); !strings.Contains(a.Error, "feeble skipped: HAProxy refuses it") || !strings.Contains(a.Error, "weak skipped") {
		t.Errorf("at run time: %q", a.Error)
	}
	if code, body, _ := n.get(n.client(), "https://pads.test/"); code != 200 || body != "pads" {
		t.Errorf("the good one: %d %s", code, body)
	}
}
