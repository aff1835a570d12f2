//go:build e2e

package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// authority is a real Pebble whose DNS says that every host is 127.0.0.1 and whose HTTP-01 goes to a test edge.
type authority struct {
	t          *testing.T
	dir        string
	listen     string
	management string
	caFile     string
	edge       *httptest.Server
	thumbprint atomic.Value
	asked      atomic.Int64 // challenges the edge was asked
	env        []string
	cmd        *exec.Cmd
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), listen: freeAddress(t), management: freeAddress(t), env: []string{"PEBBLE_VA_NOSLEEP=1"}}
	a.edge = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		token, ok := strings.CutPrefix(r.URL.Path, challengePath)
		thumb, set := a.thumbprint.Load().(string)
		if !ok || !set {
			http.Error(w, "no such page", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, token+"."+thumb)
	}))
	t.Cleanup(a.edge.Close)
	a.certificate()
	_, port, _ := net.SplitHostPort(a.edge.Listener.Addr().String())
	config := fmt.Sprintf(`{"pebble":{"listenAddress":%q,"managementListenAddress":%q,"certificate":%q,"privateKey":%q,
		"httpPort":%s,"tlsPort":1,"externalAccountBindingRequired":false}}`,
		a.listen, a.management, filepath.Join(a.dir, "cert.pem"), filepath.Join(a.dir, "key.pem"), port)
	a.write("config.json", []byte(config))
	a.start()
	t.Cleanup(a.stop)
	return a
}

func (a *authority) write(name string, content []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), content, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// certificate makes the one Pebble's own API is served with.
func (a *authority) certificate() {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	a.caFile = filepath.Join(a.dir, "cert.pem")
}

func (a *authority) start() {
	a.t.Helper()
	binary, err := exec.LookPath("pebble")
	if err != nil {
		cache, _ := os.UserCacheDir()
		if binary, err = exec.LookPath(filepath.Join(cache, "frama", "bin", "pebble")); err != nil {
			a.t.Fatal("no pebble in PATH nor among frama's cached tools: make tools")
		}
	}
	a.cmd = exec.Command(binary, "-config", filepath.Join(a.dir, "config.json"), "-dnsserver", dns(a.t))
	a.cmd.Env = append(os.Environ(), a.env...)
	var out bytes.Buffer
	a.cmd.Stdout, a.cmd.Stderr = &out, &out
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	for range 200 {
		if c, err := net.Dial("tcp", a.management); err == nil {
			c.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	a.stop()
	a.t.Fatalf("pebble does not come up: %s", out.String())
}

func (a *authority) stop() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// root is what the certificates it issues verify against.
func (a *authority) root() *x509.CertPool {
	a.t.Helper()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := c.Get("https://" + a.management + "/roots/0")
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		a.t.Fatalf("no root in %s", raw)
	}
	return pool
}

func (a *authority) issuer(store AccountStore) *Issuer {
	a.t.Helper()
	i, err := New(Options{
		Directory: "https://" + a.listen + "/dir", Email: "ops@example.org", CAFile: a.caFile, Accounts: store,
		EdgeHTTP: a.edge.Listener.Addr().String(), Preflight: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return i
}

func (a *authority) verify(c provisioner.Issued, host string) {
	a.t.Helper()
	pair, err := tls.X509KeyPair(c.ChainPEM, c.KeyPEM)
	if err != nil {
		a.t.Fatal(err)
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			a.t.Fatal(err)
		}
		between.AddCert(cert)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: a.root(), Intermediates: between}); err != nil {
		a.t.Error(err)
	}
	if _, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok {
		a.t.Errorf("the key is a %T", pair.PrivateKey)
	}
	if !c.NotAfter.Equal(pair.Leaf.NotAfter) || c.NotAfter.IsZero() || c.URL == "" {
		a.t.Errorf("dates and URL: %+v", c.NotAfter)
	}
}
