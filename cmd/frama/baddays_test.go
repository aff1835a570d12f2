package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
)

// host is a frama without anything around it: nothing of what it depends on answers.
type host struct {
	file, url string
	pages     int
}

// newHost writes a configuration, on this database, and migrates.
func newHost(t testing.TB, database string) host {
	t.Helper()
	ports, err := dev.FreePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	closed := ports[2]
	h := host{file: filepath.Join(dir, "frama.toml"), url: "http://127.0.0.1:" + strconv.Itoa(ports[0]), pages: ports[0]}
	text := tomlTable("", "database", database, "listen", "127.0.0.1:"+strconv.Itoa(ports[0]), "public_url", h.url, "form_limit", 0) +
		tomlTable("seal", "key_file", filepath.Join(dir, "seal.key")) +
		tomlTable("edge", "listen", "127.0.0.1:"+strconv.Itoa(ports[1])) +
		tomlTable("nomad", "address", "http://127.0.0.1:"+strconv.Itoa(closed)) +
		tomlTable("acme", "directory", fmt.Sprintf("https://127.0.0.1:%d/dir", closed)) +
		tomlTable("smtp", "host", "127.0.0.1", "port", closed, "tls", "none")
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, h.environ(), exitOK, "migrate")
	return h
}

func (h host) environ() []string { return []string{"FRAMA_CONFIG=" + h.file} }

// serve starts frama serve and waits until it answers.
func (h host) serve(t testing.TB) *running {
	t.Helper()
	r := spawn(t, h.environ(), "serve")
	r.says(20*time.Second, "frama serves")
	return r
}

func (h host) get(t testing.TB, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(h.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestBadSecondServer: two servers on one SQLite file are one too many. The second says whose place it wants to take,
// and the first notices nothing.
func TestBadSecondServer(t *testing.T) {
	h := newHost(t, "sqlite:"+filepath.Join(t.TempDir(), "frama.db"))
	first := h.serve(t)
	second := command(t, append(h.environ(), "FRAMA_LISTEN=127.0.0.1:0", "FRAMA_EDGE_LISTEN=127.0.0.1:0"), exitFailed, "serve")
	wants(t, second, "another frama serve", fmt.Sprintf("process %d", first.cmd.Process.Pid), "stop it first, or use PostgreSQL")
	if status, _ := h.get(t, "/request"); status != http.StatusOK {
		t.Errorf("the first server answers %d", status)
	}
	// Other commands may run beside it, and its place is free once it is gone.
	command(t, h.environ(), exitOK, "request", "list")
	first.signal(os.Interrupt)
	first.ends(15*time.Second, exitOK)
	h.serve(t)
}

// TestBadPort: whoever wants a port that is taken is told which, and how to choose another.
func TestBadPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	h := newHost(t, "sqlite:"+filepath.Join(t.TempDir(), "frama.db"))

	wants(t, command(t, h.environ(), exitFailed, "serve", "--listen", address), address, "address already in use", "choose another with listen")
	wants(t, command(t, append(h.environ(), "FRAMA_EDGE_LISTEN="+address), exitFailed, "serve"), address, "choose another with edge.listen")
	data := filepath.Join(t.TempDir(), "data")
	for _, flag := range []string{"--pages-port", "--http-port", "--https-port"} {
		said := command(t, nil, exitFailed, "dev", "--data", data, flag, port)
		wants(t, said, "port "+port+" is taken by", fmt.Sprintf("process %d", os.Getpid()), "choose another port with "+flag)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("frama dev made its folder all the same")
	}
}

// TestBadClock: doctor notices a clock that is off, by the ACME server's or by a certificate of the future.
func TestBadClock(t *testing.T) {
	h := newHost(t, "sqlite:"+filepath.Join(t.TempDir(), "frama.db"))
	directory := func(late time.Duration, certificate *tls.Certificate) []string {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(-late).UTC().Format(http.TimeFormat))
			fmt.Fprint(w, "{}")
		}))
		if certificate != nil {
			server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
		}
		server.StartTLS()
		t.Cleanup(server.Close)
		leaf := server.Certificate()
		if certificate != nil {
			leaf = certificate.Leaf
		}
		ca := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return append(h.environ(), "FRAMA_ACME_DIRECTORY="+server.URL+"/dir", "FRAMA_ACME_CA_FILE="+ca)
	}
	wants(t, command(t, directory(0, nil), exitFailed, "doctor"), `ok +clock`)
	wants(t, command(t, directory(time.Hour, nil), exitFailed, "doctor"), `FAIL +clock +1h0m\d*s off the ACME server's`, "set the clock.*NTP")
	wants(t, command(t, directory(-time.Hour, nil), exitFailed, "doctor"), `FAIL +clock +(1h0m|59m59)`)
	future := selfSigned(t, time.Now().Add(time.Hour))
	wants(t, command(t, directory(0, &future), exitFailed, "doctor"), `FAIL +acme .*not yet valid`, "this machine's clock may be wrong")

	var findings []finding
	said := command(t, directory(time.Hour, nil), exitFailed, "doctor", "--json")
	if err := json.Unmarshal([]byte(said), &findings); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	for _, f := range findings {
		if !f.OK && (f.Mend == "" || f.Detail == "") {
			t.Errorf("%+v does not say how to mend it", f)
		}
	}
}

// selfSigned makes a certificate of this machine that is valid from then on.
func selfSigned(t testing.TB, from time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: from, NotAfter: from.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
