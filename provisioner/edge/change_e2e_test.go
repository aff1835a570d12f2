//go:build e2e

package edge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// traffic asks for a URL all the time, over new connections, and counts what went wrong.
type traffic struct {
	ok, failed atomic.Int64
	first      atomic.Value // the first failure
	stop       func()
}

func (n *node) traffic(url, want string) *traffic {
	tr := &traffic{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := n.client()
			c.Transport.(*http.Transport).DisableKeepAlives = i%2 == 0 // half of them shake hands for each request
			for ctx.Err() == nil {
				resp, err := c.Get(url)
				if err == nil {
					var body []byte
					body, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					if err == nil && (resp.StatusCode != 200 || string(body) != want) {
						err = fmt.Errorf("%d %.60s", resp.StatusCode, body)
					}
				}
				if err != nil {
					tr.failed.Add(1)
					tr.first.CompareAndSwap(nil, err.Error())
					continue
				}
				tr.ok.Add(1)
			}
		}()
	}
	tr.stop = func() { cancel(); wg.Wait() }
	n.t.Cleanup(tr.stop)
	return tr
}

func (tr *traffic) check(t *testing.T) {
	t.Helper()
	tr.stop()
	if tr.failed.Load() > 0 || tr.ok.Load() < 50 {
		t.Errorf("%d requests answered, %d failed, the first with %v", tr.ok.Load(), tr.failed.Load(), tr.first.Load())
	}
	t.Logf("%d requests answered during the changes", tr.ok.Load())
}

func TestChangesUnderTraffic(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads, calcs := instance(t, "pads"), instance(t, "calcs")
	valid := time.Now().Add(time.Hour)
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("pads.test", pads)}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("pads", valid, "pads.test")}
	})
	agent := n.start()
	b.acked(t, v)
	worker, err := agent.haproxy.api.info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	tr := n.traffic("https://pads.test/", "pads")
	c := n.client()
	c.Transport.(*http.Transport).DisableKeepAlives = true
	serial := ""
	for i := range 15 {
		host := fmt.Sprintf("calcs%d.test", i)
		v := b.change(func(s *provisioner.Snapshot) { // a route comes, and the certificate in use is renewed
			s.Routes = set(s.Routes, active(host, calcs))
			s.Certificates = []provisioner.EdgeCertificate{
				n.ca.issue("pads", valid, "pads.test"), n.ca.issue(fmt.Sprintf("calcs%d", i), valid, host),
			}
		})
		if a := b.acked(t, v); a.Error != "" {
			t.Fatal(a.Error)
		}
		if code, body, _ := n.get(c, "https://"+host+"/"); code != 200 || body != "calcs" {
			t.Fatalf("%s: %d %s", host, code, body)
		}
		_, _, resp := n.get(c, "https://pads.test/")
		if now := resp.TLS.PeerCertificates[0].SerialNumber.String(); now == serial {
			t.Fatal("the renewed certificate is not served")
		} else {
			serial = now
		}
		v = b.change(func(s *provisioner.Snapshot) { s.Routes = without(s.Routes, host) })
		b.acked(t, v)
		if code, _, _ := n.get(c, "http://"+host+"/"); code != 404 {
			t.Fatalf("%s is still routed: %d", host, code)
		}
	}
	states := b.change(func(s *provisioner.Snapshot) {
		s.Routes = append(s.Routes, provisioner.Route{Host: "next.test", State: provisioner.RouteStarting})
		s.Thumbprint = strings.Repeat("b", 43)
	})
	b.acked(t, states)
	if code, body, _ := n.get(c, "http://next.test/.well-known/acme-challenge/tok"); code != 200 || body != "tok."+strings.Repeat("b", 43) {
		t.Errorf("challenge with the new account: %d %s", code, body)
	}
	tr.check(t)
	now, err := agent.haproxy.api.info(context.Background())
	if err != nil || now.pid != worker.pid {
		t.Errorf("HAProxy was reloaded: worker %d, was %d (%v)", now.pid, worker.pid, err)
	}
	left, _ := filepath.Glob(filepath.Join(n.opts.Dir, "certs", "*"))
	if len(left) != 2 {
		t.Errorf("%d certificates on disk, want 2: %v", len(left), left)
	}
	for _, f := range append(left, filepath.Join(n.opts.Dir, "snapshot.json"), filepath.Join(n.opts.Dir, "default.pem")) {
		if st, err := os.Stat(f); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, st.Mode(), err)
		}
	}
}

func TestManyRoutes(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads := instance(t, "pads")
	n.start()
	b.acked(t, 1)
	v := b.change(func(s *provisioner.Snapshot) {
		for i := range 20000 {
			s.Routes = append(s.Routes, active(fmt.Sprintf("h%d.test", i), pads))
		}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("c", time.Now().Add(time.Hour), "h19999.test")}
	})
	began := time.Now()
	if a := b.acked(t, v); a.Error != "" {
		t.Fatal(a.Error)
	}
	t.Logf("20 000 routes in %s", time.Since(began))
	if code, body, _ := n.get(n.client(), "https://h19999.test/"); code != 200 || body != "pads" {
		t.Errorf("%d %s", code, body)
	}
	began = time.Now()
	v = b.change(func(s *provisioner.Snapshot) { s.Routes[0].State = provisioner.RouteSuspended })
	b.acked(t, v)
	t.Logf("one more change in %s", time.Since(began))
	if code, _, _ := n.get(n.client(), "http://h0.test/"); code != 503 {
		t.Errorf("suspended: %d", code)
	}
}

func TestAgentRestarts(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads := instance(t, "pads")
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("pads.test", pads)}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("pads", time.Now().Add(time.Hour), "pads.test")}
	})
	n.start()
	b.acked(t, v)
	tr := n.traffic("https://pads.test/", "pads")
	n.kill()
	c := n.client()
	if code, _, _ := n.get(c, "http://pads.test/.well-known/acme-challenge/x"); code != 200 {
		t.Errorf("without an agent, challenges answer %d", code)
	}
	for tr.ok.Load() < 100 && tr.failed.Load() == 0 { // served without an agent
		time.Sleep(5 * time.Millisecond)
	}
	missed := b.change(func(s *provisioner.Snapshot) {
		s.Routes = append(s.Routes, provisioner.Route{Host: "late.test", State: provisioner.RouteSuspended})
	})
	n.start()
	b.acked(t, missed)
	if code, _, _ := n.get(c, "http://late.test/"); code != 503 {
		t.Errorf("what changed meanwhile was not caught up with: %d", code)
	}
	tr.check(t)
	if _, err := NewAgent(n.opts); err != nil {
		t.Fatal(err)
	}
	second, _ := NewAgent(n.opts)
	if err := second.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "another edge agent") {
		t.Errorf("a second agent in the same folder: %v", err)
	}
}

func TestColdStartWithoutFrama(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads := instance(t, "pads")
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("pads.test", pads)}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("pads", time.Now().Add(time.Hour), "pads.test")}
	})
	n.opts.StopHAProxy = true
	n.start()
	b.acked(t, v)
	n.kill()
	if err := vacant(n.opts.HTTPS); err != nil {
		t.Fatalf("HAProxy was to end with its agent: %v", err)
	}
	b.pub.Close()
	b.server.Close()
	n.start()
	if code, body, _ := n.get(n.client(), "https://pads.test/"); code != 200 || body != "pads" {
		t.Errorf("%d %s", code, body)
	}
	n.kill()
	if err := os.WriteFile(filepath.Join(n.opts.Dir, "snapshot.json"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	if code, body, _ := n.get(n.client(), "https://pads.test/"); code != 200 || body != "pads" {
		t.Errorf("with a damaged snapshot: %d %s", code, body)
	}
}

func TestTakenPort(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	other := instance(t, "other")
	n.opts.HTTPS = other.Listener.Addr().String()
	a, err := NewAgent(n.opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(context.Background()); err == nil || !strings.Contains(err.Error(), n.opts.HTTPS+" is taken") {
		t.Errorf("got %v", err)
	}
}
