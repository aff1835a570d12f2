package backing

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// TestHung: a server that takes connections and never says a word holds nobody up for longer than one operation may take.
func TestHung(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		var open []net.Conn // or they would be closed with the next garbage
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			open = append(open, conn)
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	defer listener.Close()
	const limit = 300 * time.Millisecond
	address := listener.Addr().String()
	tables := Options{Name: "db1", Kind: "postgres", Address: address, User: "u", Password: "p", TLS: "none", Timeout: limit}
	var all sync.WaitGroup
	for _, o := range []Options{
		tables,
		{Kind: "mysql"},
		{Kind: "redis"},
		{Kind: "s3", Flavour: "shared"},
		{Kind: "s3", Flavour: "versitygw"},
		{Kind: "s3", Flavour: "garage", Admin: address},
		{Kind: "smtp", Mode: "dovecot-sql", From: "{name}@example.org", Database: "mail", Tables: "db1"},
	} {
		for _, encrypted := range []string{"none", "verify"} {
			o.Name, o.Address, o.User, o.Password, o.TLS, o.Timeout = "hung", address, "u", "p", encrypted, limit
			b, err := New(o, []Options{tables})
			if err != nil {
				t.Fatal(err)
			}
			g := provisioner.Grant{Instance: "i1", Name: "frama-one", SetAside: "frama-aside", Secrets: b.Secrets("i1", randomReader)}
			for name, do := range map[string]func() error{
				"fits":    func() error { return b.Fits(t.Context(), g) },
				"ensure":  func() error { _, err := b.Ensure(t.Context(), g); return err },
				"login":   func() error { return b.Login(t.Context(), g) },
				"rotate":  func() error { return b.Rotate(t.Context(), g, g.Secrets) },
				"retire":  func() error { return b.Retire(t.Context(), g) },
				"restore": func() error { return b.Restore(t.Context(), g) },
				"check":   func() error { _, err := b.Check(t.Context()); return err },
			} {
				if o.Kind == "smtp" && name == "fits" || o.Flavour == "shared" && (name == "rotate" || name == "retire" || name == "restore") {
					continue // it asks no server
				}
				what := fmt.Sprintf("%s%s, tls %s: %s", o.Kind, o.Flavour, encrypted, name)
				all.Go(func() {
					ended := make(chan error, 1)
					go func() { ended <- do() }()
					select {
					case err := <-ended:
						var temporary *provisioner.TemporaryError
						if !errors.As(err, &temporary) {
							t.Errorf("%s: got %v, want something to wait for", what, err)
						}
					case <-time.After(10 * time.Second):
						t.Errorf("%s: hangs", what)
					}
				})
			}
		}
	}
	all.Wait()
}
