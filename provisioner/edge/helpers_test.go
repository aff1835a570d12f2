package edge

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

const (
	testToken      = "an edge token for tests"
	testThumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" // of RFC 7638's example
)

// authority is a certificate authority for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{t: t, cert: cert, key: key, pool: pool}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate valid until notAfter, with a fresh key and serial number.
func (a *authority) issue(id string, notAfter time.Time, hosts ...string) provisioner.EdgeCertificate {
	a.t.Helper()
	key := newKey(a.t)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, DNSNames: hosts, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: notAfter,
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return provisioner.EdgeCertificate{
		ID: id, Hosts: hosts,
		ChainPEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		KeyPEM:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	}
}

// board is frama's side: a snapshot tests change, published by a real Publisher over HTTP.
type board struct {
	public ed25519.PublicKey
	key    ed25519.PrivateKey
	server *httptest.Server
	pub    *Publisher

	mu      sync.Mutex
	snap    provisioner.Snapshot
	sources int
	polls   int
	fail    error
	acks    chan Ack
}

func newBoard(t testing.TB) *board {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &board{public: public, key: key, acks: make(chan Ack, 1000)}
	b.snap = provisioner.Snapshot{Version: 1, Platform: "test", Thumbprint: testThumbprint}
	b.pub = b.publisher(t, PublisherOptions{Every: 10 * time.Millisecond})
	b.server = httptest.NewServer(b.pub)
	t.Cleanup(func() {
		b.pub.Close()
		b.server.Close()
	})
	return b
}

func (b *board) publisher(t testing.TB, o PublisherOptions) *Publisher {
	t.Helper()
	o.Key, o.Token = b.key, testToken
	o.Source = func(context.Context) (provisioner.Snapshot, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sources++
		return b.snap, b.fail
	}
	o.Version = func(context.Context) (int64, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.polls++
		return b.snap.Version, b.fail
	}
	o.Ack = func(_ context.Context, agent string, version int64, problem string) error {
		b.acks <- Ack{Agent: agent, Version: version, Error: problem}
		return nil
	}
	p, err := NewPublisher(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// change edits the snapshot and returns its new version.
func (b *board) change(edit func(*provisioner.Snapshot)) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	edit(&b.snap)
	b.snap.Version++
	return b.snap.Version
}

// acked waits until an agent acknowledged the version and returns what it said.
func (b *board) acked(t testing.TB, version int64) Ack {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case a := <-b.acks:
			if a.Version == version {
				return a
			}
		case <-timeout:
			t.Fatalf("no agent acknowledged version %d", version)
		}
	}
}

// set replaces the route of a host, or adds it.
func set(routes []provisioner.Route, r provisioner.Route) []provisioner.Route {
	out := []provisioner.Route{r}
	for _, old := range routes {
		if old.Host != r.Host {
			out = append(out, old)
		}
	}
	return out
}

// without removes the route of a host.
func without(routes []provisioner.Route, host string) []provisioner.Route {
	var out []provisioner.Route
	for _, old := range routes {
		if old.Host != host {
			out = append(out, old)
		}
	}
	return out
}

// weak makes a certificate that Go takes and HAProxy does not: the chain holds a key too small for OpenSSL.
func (a *authority) weak(id, host string) provisioner.EdgeCertificate {
	a.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "weak CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c := a.issue(id, time.Now().Add(time.Hour), host)
	c.ChainPEM += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return c
}
