//go:build e2e

package backing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// selfSigned makes a certificate for 127.0.0.1 with its key, in PEM.
func selfSigned(t testing.TB) (cert, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "db1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// TestTLS: without a word in the declaration, the connection is encrypted and the server proves who it is, or there is
// none.
func TestTLS(t *testing.T) {
	ctx := t.Context()
	o := postgresOptions(t)
	o.TLS = ""
	if _, err := open(t, o, nil).Check(ctx); err == nil {
		t.Error("a server without TLS was spoken to in the clear")
	}
	s, err := servers.postgres()
	must(t, err)
	cert, key := selfSigned(t)
	data := filepath.Join(servers.dir, "postgres", "data")
	var owner syscall.Stat_t
	must(t, syscall.Stat(data, &owner))
	for name, text := range map[string][]byte{"server.crt": cert, "server.key": key} {
		path := filepath.Join(data, name)
		must(t, os.WriteFile(path, text, 0o600))
		must(t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
	}
	super, err := pgx.Connect(ctx, s.URL("postgres"))
	must(t, err)
	defer super.Close(ctx)
	must(t, run(ctx, super, `ALTER SYSTEM SET ssl = on`, `SELECT pg_reload_conf()`))
	defer func() { must(t, run(ctx, super, `ALTER SYSTEM RESET ssl`, `SELECT pg_reload_conf()`)) }()
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(o.CAFile, cert, 0o600))
	for try := 0; ; try++ { // the server takes a moment to read its configuration again
		b := open(t, o, nil)
		if _, err = b.Check(ctx); err == nil {
			ensure(t, b, newGrant(b))
			break
		}
		if try == 50 {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	other, _ := selfSigned(t)
	must(t, os.WriteFile(o.CAFile, other, 0o600))
	if _, err := open(t, o, nil).Check(ctx); err == nil {
		t.Error("a server with a certificate of another authority was trusted")
	}
}
