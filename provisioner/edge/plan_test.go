package edge

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// Whatever a snapshot holds, nothing but host names and addresses reaches the map files and the runtime commands.
func TestHostileRoutes(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, r := range []provisioner.Route{
		{Host: ""}, {Host: " "}, {Host: "a b.test"}, {Host: "a.test\nx.test 1.2.3.4|80"}, {Host: "a.test\r"}, {Host: "a;show info"},
		{Host: "a\ttest"}, {Host: "a\x00.test"}, {Host: "#a.test"}, {Host: "a<<.test"}, {Host: `a\ b`}, {Host: "a_b.test"},
		{Host: "-a.test"}, {Host: "a-.test"}, {Host: "a..test"}, {Host: ".test"}, {Host: "a.test."}, {Host: "*.test"},
		{Host: "é.test"}, {Host: "a\u202e.test"}, {Host: "а.test"}, {Host: long + ".test"}, {Host: strings.Repeat("a.", 127) + "aa"},
		{Host: "a.test:80"}, {Host: "@1"}, {Host: "a/b"},
		{Host: "a.test", Address: ""}, {Host: "a.test", Address: "example.org:80"}, {Host: "a.test", Address: "1.2.3.4"},
		{Host: "a.test", Address: "1.2.3.4:0"}, {Host: "a.test", Address: "1.2.3.4:80\nx"}, {Host: "a.test", Address: "1.2.3.4:99999"},
		{Host: "a.test", Address: "0.0.0.0:80"}, {Host: "a.test", Address: "[fe80::1%eth0]:80"}, {Host: "a.test", Address: "224.0.0.1:80"},
		{Host: "a.test", Address: "1.2.3.4:80", State: "odd; show info"}, {Host: "a.test", Address: "1.2.3.4:80", State: "none"},
	} {
		if r.Address == "" && r.Host != "a.test" {
			r.Address = "127.0.0.1:80"
		}
		if r.State == "" {
			r.State = provisioner.RouteActive
		}
		p := newPlan(provisioner.Snapshot{Routes: []provisioner.Route{r, {Host: "good.test", Address: "127.0.0.1:80", State: "active"}}}, time.Now())
		if len(p.routes) != 1 || p.routes["good.test"] != "127.0.0.1|80" || len(p.problems) != 1 {
			t.Errorf("%+v: %v, problems %q", r, p.routes, p.problems)
		}
		if strings.ContainsAny(p.problem(), "\n\r\x00\u202e") {
			t.Errorf("the report holds control characters: %q", p.problem())
		}
	}
}

func TestPlan(t *testing.T) {
	p := newPlan(provisioner.Snapshot{
		Thumbprint: testThumbprint,
		Routes: []provisioner.Route{
			{Host: "Pads.Test", Address: "10.0.0.1:20001", State: provisioner.RouteActive},
			{Host: "six.test", Address: "[2001:db8::1]:20002", State: provisioner.RouteActive},
			{Host: "mapped.test", Address: "[::ffff:10.0.0.2]:3", State: provisioner.RouteActive},
			{Host: "soon.test", State: provisioner.RouteStarting},
			{Host: "closed.test", Address: "anything", State: provisioner.RouteSuspended},
			{Host: "pads.test", Address: "10.0.0.9:1", State: provisioner.RouteActive},
			{Host: "xn--caf-dma.test", Address: "10.0.0.3:4", State: provisioner.RouteActive},
		},
	}, time.Now())
	want := "closed.test suspended\nmapped.test 10.0.0.2|3\npads.test 10.0.0.1|20001\nsix.test 2001:db8::1|20002\n" +
		"soon.test starting\nxn--caf-dma.test 10.0.0.3|4\n"
	if got := string(mapFile(p.routes)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if p.thumbprint != testThumbprint || p.problem() != "route pads.test skipped: the host appears twice" {
		t.Errorf("%q %q", p.thumbprint, p.problem())
	}
	for _, bad := range []string{"short", testThumbprint + "\nx", strings.Repeat(" ", 43), strings.Repeat("%", 43)} {
		if p := newPlan(provisioner.Snapshot{Thumbprint: bad}, time.Now()); p.thumbprint != "" || len(p.problems) != 1 {
			t.Errorf("thumbprint %q: %q", bad, p.problems)
		}
	}
}

func TestReadOnlyRoutes(t *testing.T) {
	readOnly := func(r provisioner.Route) provisioner.Route {
		r.ReadOnly = true
		return r
	}
	p := newPlan(provisioner.Snapshot{Routes: []provisioner.Route{
		readOnly(provisioner.Route{Host: "Blog.Test", Address: "10.0.0.1:20001", State: provisioner.RouteActive, Writes: []string{"/wp-login.php", "/wp-admin/"}}),
		readOnly(provisioner.Route{Host: "six.test", Address: "[2001:db8::1]:20002", State: provisioner.RouteActive}),
		readOnly(provisioner.Route{Host: "soon.test", State: provisioner.RouteStarting, Writes: []string{"/login"}}),
		{Host: "free.test", Address: "10.0.0.2:20001", State: provisioner.RouteActive, Writes: []string{"/login"}},
	}}, time.Now())
	if got, want := string(mapFile(p.routes)), "blog.test 10.0.0.1|20001|read-only\nfree.test 10.0.0.2|20001\nsix.test 2001:db8::1|20002|read-only\n"+
		"soon.test starting\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := string(mapFile(p.writes)), "blog.test/wp-admin/ 1\nblog.test/wp-login.php 1\n"; got != want || len(p.problems) > 0 {
		t.Errorf("got\n%swant\n%s%v", got, want, p.problems)
	}
	for _, bad := range []string{"", "/", "login", "//", "/a//b", "/.", "/a/../b", "/a/...", "/a/..b", "/%2e", "/a b", "/a\nb.test/ 1", "/a;b", "/é", "/a?b", "/<",
		"/" + strings.Repeat("a", 200), strings.Repeat("/a", 20)} {
		p := newPlan(provisioner.Snapshot{Routes: []provisioner.Route{{Host: "a.test", Address: "10.0.0.1:1", State: provisioner.RouteActive,
			ReadOnly: true, Writes: []string{bad, "/login"}}}}, time.Now())
		if len(p.writes) != 1 || p.writes["a.test/login"] == "" || p.routes["a.test"] != "10.0.0.1|1|read-only" || len(p.problems) != 1 {
			t.Errorf("%q: %v %v %q", bad, p.writes, p.routes, p.problems)
		}
	}
}

// An agent of before knows no routes that are for reading only: it must serve them on.
func TestOlderAgents(t *testing.T) {
	raw, err := json.Marshal(provisioner.Route{Host: "a.test", Address: "10.0.0.1:1", State: provisioner.RouteActive, ReadOnly: true, Writes: []string{"/login"}})
	if err != nil {
		t.Fatal(err)
	}
	var old struct{ Host, Address, State string }
	if err := json.Unmarshal(raw, &old); err != nil || old.State != "active" || old.Address != "10.0.0.1:1" {
		t.Errorf("%s: %+v %v", raw, old, err)
	}
	raw, err = json.Marshal(provisioner.Route{Host: "a.test", Address: "10.0.0.1:1", State: provisioner.RouteActive})
	if err != nil || strings.Contains(string(raw), "only") || strings.Contains(string(raw), "writes") {
		t.Errorf("%s %v", raw, err) // what does not change keeps its bytes, and so its tag
	}
}

func TestCertificates(t *testing.T) {
	ca := newAuthority(t)
	valid := time.Now().Add(time.Hour)
	good := ca.issue("0197-a", valid, "a.test", "*.b.test")
	spoilt := func(change func(*provisioner.EdgeCertificate)) provisioner.EdgeCertificate {
		c := good
		c.Hosts = append([]string(nil), good.Hosts...)
		change(&c)
		return c
	}
	for name, c := range map[string]provisioner.EdgeCertificate{
		"a path for an ID":   spoilt(func(c *provisioner.EdgeCertificate) { c.ID = "../../etc/x" }),
		"a newline in an ID": spoilt(func(c *provisioner.EdgeCertificate) { c.ID = "a\nb" }),
		"another key":        spoilt(func(c *provisioner.EdgeCertificate) { c.KeyPEM = ca.issue("x", valid, "a.test").KeyPEM }),
		"no key":             spoilt(func(c *provisioner.EdgeCertificate) { c.KeyPEM = "" }),
		"no chain":           spoilt(func(c *provisioner.EdgeCertificate) { c.ChainPEM = "" }),
		"another host":       spoilt(func(c *provisioner.EdgeCertificate) { c.Hosts = []string{"c.test"} }),
		"no host":            spoilt(func(c *provisioner.EdgeCertificate) { c.Hosts = nil }),
		"a hostile host":     spoilt(func(c *provisioner.EdgeCertificate) { c.Hosts = []string{"a.test\nx"} }),
		"a negative filter":  spoilt(func(c *provisioner.EdgeCertificate) { c.Hosts = []string{"!a.test"} }),
		"a damaged chain": spoilt(func(c *provisioner.EdgeCertificate) {
			c.ChainPEM += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
		}),
	} {
		if p := newPlan(provisioner.Snapshot{Certificates: []provisioner.EdgeCertificate{c, good}}, time.Now()); len(p.certificates) != 1 || len(p.problems) != 1 {
			t.Errorf("%s: %d certificates, %q", name, len(p.certificates), p.problems)
		} else if strings.Contains(p.problem(), "PRIVATE") {
			t.Errorf("%s: the report holds a key", name)
		}
	}

	messy := good
	messy.ChainPEM = "comment\n\n" + good.ChainPEM + "\n\n"
	messy.KeyPEM = "\n" + good.KeyPEM
	a, _, err := newCertificate(good, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := newCertificate(messy, time.Now())
	if err != nil || a.file != b.file || strings.Contains(string(b.pem), "\n\n") || strings.Contains(string(b.pem), "comment") {
		t.Errorf("%s and %s: %v\n%s", a.file, b.file, err, b.pem)
	}
	renewed, _, err := newCertificate(ca.issue("0197-a", valid, "a.test", "*.b.test"), time.Now())
	if err != nil || renewed.file == a.file {
		t.Errorf("a renewal has the same name %s: %v", renewed.file, err)
	}
	old := newPlan(provisioner.Snapshot{Certificates: []provisioner.EdgeCertificate{ca.issue("old", time.Now().Add(-time.Hour), "a.test")}}, time.Now())
	if len(old.certificates) != 1 || !strings.Contains(old.problem(), "certificate old: expired on ") {
		t.Errorf("an expired one: %q", old.problem())
	}
}

func TestSelfSigned(t *testing.T) {
	pem, err := selfSigned(time.Now())
	if err != nil || strings.Count(string(pem), "BEGIN") != 2 {
		t.Errorf("%s %v", pem, err)
	}
}
