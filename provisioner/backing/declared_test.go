package backing

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
)

// TestCatalogueExtensions: what an application of the catalogue asks for can be given.
func TestCatalogueExtensions(t *testing.T) {
	apps, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	some := 0
	for _, app := range apps.Apps() {
		for _, name := range app.Run().Postgres.Extensions {
			if some++; !slices.Contains(allowedExtensions, name) {
				t.Errorf("%s asks for the extension %s, which frama gives to nobody", app.Name, name)
			}
		}
	}
	if some == 0 {
		t.Error("no application asks for an extension")
	}
}

// TestPrefix: what would be a pattern, or a name that a server refuses, is a mistake of the declaration.
func TestPrefix(t *testing.T) {
	for prefix, good := range map[string]bool{
		"": true, "frama": true, "host-2": true, "a_b": true, "Frama": false, "fr*": false, "a:b": false, "2": false, "a b": false, `a"b`: false,
		strings.Repeat("a", 16): false,
	} {
		_, err := New(Options{Name: "db1", Kind: "postgres", Address: "db1:5432", Prefix: prefix}, nil)
		if (err == nil) != good {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

// TestS3Names: each request is checked against the name of the host it goes to.
func TestS3Names(t *testing.T) {
	b, err := New(Options{Name: "s3", Kind: "s3", Flavour: "garage", Address: "s3.internal:3900", Admin: "garage.internal:3903", Password: "p"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	conf := b.(*s3).client.Transport.(*http.Transport).TLSClientConfig
	if conf == nil || conf.ServerName != "" || conf.InsecureSkipVerify {
		t.Errorf("got %+v", conf)
	}
}
