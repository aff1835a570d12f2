package backing

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Instances are told to connect as safely as frama does, and no more than they can check.
func TestInstancesConnectAsFramaDoes(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	write := func(name string, text []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own, all := write("ca.pem", authority), write("all.pem", []byte(strings.Repeat(string(authority), 40)))
	for name, c := range map[string]struct {
		o    Options
		mode string
		ca   bool
	}{
		"in the clear":                {Options{TLS: "none"}, "disable", false},
		"authority of the system":     {Options{}, "require", false},
		"all authorities":             {Options{CAFile: all}, "require", false},
		"own authority":               {Options{CAFile: own}, "verify-full", true},
		"seen under another name":     {Options{CAFile: own, SeenAs: "192.0.2.7:5432"}, "verify-ca", true},
		"seen under the same name":    {Options{CAFile: own, SeenAs: "db1.internal:6432"}, "verify-full", true},
		"clear, though there is a CA": {Options{TLS: "none", CAFile: own}, "disable", false},
	} {
		c.o.Name, c.o.Kind, c.o.Address = "db1", "postgres", "db1.internal:5432"
		c.o.defaults()
		s, err := newServer(c.o)
		if err != nil {
			t.Fatal(name, err)
		}
		if keys := s.encryption(); len(keys) != 2 || keys["db_sslmode"] != c.mode || (keys["db_ca"] != "") != c.ca {
			t.Errorf("%s: %q", name, keys)
		}
	}
}
