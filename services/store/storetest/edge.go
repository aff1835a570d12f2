package storetest

import (
	"context"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func certificates(b bundle) {
	const host = "amis-pads.example.org"
	missing(b, func(tx *store.Tx) (hosting.Certificate, error) { return tx.Certificate(host) })
	var c hosting.Certificate
	want := func() {
		b.write(func(tx *store.Tx) (err error) { c, err = tx.WantCertificate(host); return err })
	}
	want()
	same(b, "state", c.State, hosting.CertificateWanted)
	id := c.ID
	b.clock.Advance(time.Hour)
	want()
	same(b, "the same row", c.ID, id)

	c.ChainPEM, c.CertURL = "chain", "https://acme.example.org/1"
	c.NotBefore, c.NotAfter, c.RenewAt = b.now(), b.now().Add(90*24*time.Hour), b.now().Add(60*24*time.Hour)
	b.write(func(tx *store.Tx) error { return tx.FailCertificate(c.ID, "no answer", b.now().Add(time.Minute)) })
	same(b, "failures", read(b, func(tx *store.Tx) (int, error) { c, err := tx.Certificate(host); return c.Attempts, err }), 1)
	b.write(func(tx *store.Tx) error { return tx.SaveCertificate(c, []byte("very secret")) })
	got := read(b, func(tx *store.Tx) (hosting.Certificate, error) { return tx.Certificate(host) })
	if got.SealedKey == "" || strings.Contains(got.SealedKey, "secret") {
		b.Errorf("the key is kept as %q", got.SealedKey)
	}
	c.State, c.SealedKey = hosting.CertificateValid, got.SealedKey
	same(b, "the certificate, its failures forgotten", got, c)
	b.refused(store.ErrStale, func(tx *store.Tx) error {
		return tx.SaveCertificate(hosting.Certificate{ID: "nobody"}, []byte("x"))
	})

	due := func(at time.Time) []hosting.Certificate {
		return read(b, func(tx *store.Tx) ([]hosting.Certificate, error) { return tx.CertificatesDue(at, 10) })
	}
	same(b, "due before its time", len(due(c.RenewAt.Add(-time.Microsecond))), 0)
	same(b, "due at its time", due(c.RenewAt), []hosting.Certificate{c})
	claim := func() (ok bool) {
		b.write(func(tx *store.Tx) (err error) { ok, err = tx.ClaimRenewal(c, c.RenewAt.Add(time.Hour)); return err })
		return ok
	}
	same(b, "claimed first", claim(), true)
	same(b, "claimed second", claim(), false)
	same(b, "due while claimed", len(due(c.RenewAt.Add(time.Minute))), 0)
	same(b, "due once the claim ended", len(due(c.RenewAt.Add(time.Hour))), 1)
	b.write(func(tx *store.Tx) error { return tx.FailCertificate(c.ID, "no answer", c.RenewAt) })
	got = due(c.RenewAt)[0]
	same(b, "state after a failure", got.State, hosting.CertificateValid)
	same(b, "failure", got.LastError, "no answer")

	// Sorted by bytes on both databases, which a language's rules do not do.
	for _, h := range []string{"a-b.example.org", "ab.example.org", "a.example.org"} {
		b.write(func(tx *store.Tx) error { _, err := tx.WantCertificate(h); return err })
	}
	var hosts []string
	for _, c := range read(b, (*store.Tx).Certificates) {
		hosts = append(hosts, c.Host)
	}
	same(b, "hosts", hosts, []string{"a-b.example.org", "a.example.org", "ab.example.org", host})
}

// The version grows exactly when what the edges serve changes.
func edgeVersion(b bundle) {
	s := AddSpace(b, b.store, "amis")
	i := AddInstance(b, b.store, s, "pads", "etherpad")
	var cert hosting.Certificate
	var last int64
	expect := func(what string, grows bool, f func(*store.Tx) error) {
		b.Helper()
		b.write(f)
		version := read(b, (*store.Tx).EdgeVersion)
		if grew := version > last; grew != grows {
			b.Errorf("%s: from version %d to %d", what, last, version)
		}
		last = version
	}
	expect("the beginning", true, func(*store.Tx) error { return nil })
	expect("provisioning a space without routes", false, func(tx *store.Tx) error {
		_, err := tx.MoveSpace(s.ID, hosting.SpaceProvisioning)
		return err
	})
	expect("placing", false, func(tx *store.Tx) error { return tx.PlaceInstance(i.ID, "n", 20000) })
	expect("registering", false, func(tx *store.Tx) error { return tx.InstanceRegistered(i.ID, "1") })
	expect("health", false, func(tx *store.Tx) error { return tx.SetInstanceHealth(i.ID, hosting.HealthHealthy) })
	expect("wanting a certificate", false, func(tx *store.Tx) (err error) { cert, err = tx.WantCertificate(i.Host); return err })
	expect("failing to get it", false, func(tx *store.Tx) error { return tx.FailCertificate(cert.ID, "no", b.now()) })
	expect("a certificate", true, func(tx *store.Tx) error { return tx.SaveCertificate(cert, []byte("key")) })
	expect("a route", true, func(tx *store.Tx) error { return tx.Route(i.ID, "192.0.2.1:20000") })
	expect("the same route", false, func(tx *store.Tx) error { return tx.Route(i.ID, "192.0.2.1:20000") })
	expect("another address", true, func(tx *store.Tx) error { return tx.Route(i.ID, "192.0.2.2:20000") })
	expect("the route of nobody", false, func(tx *store.Tx) error { return tx.Route("nobody", "192.0.2.2:20000") })
	expect("a routed space that becomes active", true, func(tx *store.Tx) error {
		_, err := tx.MoveSpace(s.ID, hosting.SpaceActive)
		return err
	})
	expect("and again", false, func(tx *store.Tx) error { _, err := tx.MoveSpace(s.ID, hosting.SpaceActive); return err })
	expect("an edge reports", false, func(tx *store.Tx) error { return tx.SawEdge("e", 1, "") })
}

func edgeContents(b bundle) {
	s := AddSpace(b, b.store, "amis")
	pads, calcs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, s, "calcs", "ethercalc")
	AddInstance(b, b.store, s, "polls", "pollaris") // never routed
	b.write(func(tx *store.Tx) error {
		if err := tx.Route(pads.ID, "192.0.2.1:2"); err != nil {
			return err
		}
		return tx.Route(calcs.ID, "192.0.2.1:1")
	})
	same(b, "routes", read(b, (*store.Tx).EdgeRoutes), []store.EdgeRoute{
		{Host: calcs.Host, Address: "192.0.2.1:1", App: "ethercalc", Space: hosting.SpaceApproved},
		{Host: pads.Host, Address: "192.0.2.1:2", App: "etherpad", Space: hosting.SpaceApproved},
	})
	var cert hosting.Certificate
	b.write(func(tx *store.Tx) (err error) {
		if _, err = tx.WantCertificate(calcs.Host); err != nil {
			return err
		}
		if cert, err = tx.WantCertificate(pads.Host); err != nil {
			return err
		}
		cert.ChainPEM = "chain"
		return tx.SaveCertificate(cert, []byte("very secret"))
	})
	same(b, "certificates in use", read(b, (*store.Tx).EdgeCertificates), []store.EdgeCertificate{
		{ID: cert.ID, Host: pads.Host, ChainPEM: "chain", KeyPEM: "very secret"},
	})
	other := Open(b, b.dsn, func(o *store.Options) { o.Seal = Key(b, 2) })
	err := other.Read(context.Background(), func(tx *store.Tx) error { _, err := tx.EdgeCertificates(); return err })
	if err == nil || !strings.Contains(err.Error(), pads.Host) {
		b.Errorf("with another seal key: %v, want an error that names the host", err)
	}
}

func edgesSeen(b bundle) {
	since := b.now()
	b.write(func(tx *store.Tx) error { return tx.SawEdge("north", 3, "") })
	b.clock.Advance(time.Minute)
	b.write(func(tx *store.Tx) error { return tx.SawEdge("a-east", 4, "HAProxy does not start") })
	b.write(func(tx *store.Tx) error { return tx.SawEdge("north", 4, "") })
	b.clock.Advance(time.Minute)
	b.write(func(tx *store.Tx) error { return tx.SawEdge("aeast", 5, "") })
	seen := func(t time.Time) []store.EdgeSeen {
		return read(b, func(tx *store.Tx) ([]store.EdgeSeen, error) { return tx.EdgesSince(t) })
	}
	first, last := since.Add(time.Minute), since.Add(2*time.Minute)
	same(b, "edges", seen(since), []store.EdgeSeen{
		{Name: "a-east", Version: 4, Problem: "HAProxy does not start", SeenAt: first}, {Name: "aeast", Version: 5, SeenAt: last},
		{Name: "north", Version: 4, SeenAt: first},
	})
	same(b, "newer edges", len(seen(last)), 1)
}

func settings(b bundle) {
	missing(b, func(tx *store.Tx) (string, error) { return tx.Setting("a") })
	missing(b, func(tx *store.Tx) ([]byte, error) { return tx.SealedSetting("a") })
	for _, v := range []string{"1", "", "é'\"\\%"} {
		b.write(func(tx *store.Tx) error { return tx.SetSetting("a", v) })
		same(b, "setting", read(b, func(tx *store.Tx) (string, error) { return tx.Setting("a") }), v)
	}
	b.write(func(tx *store.Tx) error { return tx.SetSealedSetting("s", []byte("very secret")) })
	same(b, "sealed", string(read(b, func(tx *store.Tx) ([]byte, error) { return tx.SealedSetting("s") })), "very secret")
	raw := read(b, func(tx *store.Tx) (string, error) { return tx.Setting("s") })
	if strings.Contains(raw, "secret") {
		b.Errorf("kept as %q", raw)
	}
	// A sealed value belongs to its name.
	b.write(func(tx *store.Tx) error { return tx.SetSetting("moved", raw) })
	if err := b.store.Read(context.Background(), func(tx *store.Tx) error { _, err := tx.SealedSetting("moved"); return err }); err == nil {
		b.Error("a sealed value can be read under another name")
	}
}

func sealCheck(b bundle) {
	b.write((*store.Tx).CheckSeal)
	b.write((*store.Tx).CheckSeal)
	other := Open(b, b.dsn, func(o *store.Options) { o.Seal = Key(b, 2) })
	err := other.Write(context.Background(), (*store.Tx).CheckSeal)
	if err == nil || !strings.Contains(err.Error(), "put back the key file") {
		b.Errorf("another key: %v, want what to do about it", err)
	}
	b.write((*store.Tx).CheckSeal) // the wrong key did no harm
	b.write(func(tx *store.Tx) error { return tx.SetSealedSetting("seal_check", []byte("else")) })
	err = b.store.Write(context.Background(), (*store.Tx).CheckSeal)
	if err == nil || strings.Contains(err.Error(), "%!") {
		b.Errorf("another check value: %v", err)
	}
}
