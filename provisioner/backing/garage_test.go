package backing

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"framagit.org/frama/frama/provisioner"
)

// fakeGarage answers as Garage's documentation says, for one bucket: its administration interface, and as much of S3 as
// looks at a bucket. It takes any signature: which key opens the bucket is what it is about.
type fakeGarage struct {
	mu     sync.Mutex
	bucket string
	keys   map[string]*fakeKey
	calls  map[string]int
}

type fakeKey struct {
	name, secret string
	read, alias  bool
}

var credential = regexp.MustCompile(`Credential=([A-Za-z0-9]+)/`)

func (f *fakeGarage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if found := credential.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
		f.s3(w, r, f.keys[found[1]])
		return
	}
	if r.Header.Get("Authorization") != "Bearer token" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var in struct {
		GlobalAlias, AccessKeyID, SecretAccessKey, Name string
		LocalAlias                                      any
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	call := strings.TrimPrefix(r.URL.Path, "/v2/")
	f.calls[call]++
	id := r.URL.Query().Get("id")
	switch call {
	case "GetClusterHealth":
		fmt.Fprint(w, `{"status":"healthy"}`)
	case "GetKeyInfo":
		k := f.keys[id]
		if k == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"accessKeyId": id, "name": k.name, "secretAccessKey": k.secret})
	case "ImportKey":
		if f.keys[in.AccessKeyID] != nil {
			w.WriteHeader(http.StatusConflict)
			return
		}
		f.keys[in.AccessKeyID] = &fakeKey{name: in.Name, secret: in.SecretAccessKey}
	case "CreateBucket":
		f.bucket = in.GlobalAlias
		k := f.keys[in.LocalAlias.(map[string]any)["accessKeyId"].(string)]
		k.read, k.alias = true, true
	case "GetBucketInfo":
		if f.bucket == "" || f.bucket != r.URL.Query().Get("globalAlias") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		shown := []any{}
		for id, k := range f.keys {
			if k.read || k.alias {
				shown = append(shown, map[string]any{"accessKeyId": id, "name": k.name, "permissions": map[string]bool{"read": k.read, "write": k.read}})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "b1", "keys": shown})
	case "AllowBucketKey":
		f.keys[in.AccessKeyID].read = true
	case "DenyBucketKey":
		f.keys[in.AccessKeyID].read = false
	case "AddBucketAlias":
		f.keys[in.AccessKeyID].alias = true
	case "DeleteKey":
		delete(f.keys, id)
	case "ListKeys":
		list := []map[string]string{}
		for id, k := range f.keys {
			list = append(list, map[string]string{"id": id, "name": k.name})
		}
		_ = json.NewEncoder(w).Encode(list)
	case "DeleteBucket":
		f.bucket = ""
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (f *fakeGarage) s3(w http.ResponseWriter, r *http.Request, k *fakeKey) {
	switch {
	case k == nil || !k.read:
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodHead && strings.Trim(r.URL.Path, "/") != f.bucket:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet && r.URL.Query().Has("uploads"):
		fmt.Fprint(w, `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>`)
	case r.Method == http.MethodGet:
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
	}
}

// TestGarage goes the way of an instance on what Garage is documented to be.
func TestGarage(t *testing.T) {
	fake := &fakeGarage{keys: map[string]*fakeKey{}, calls: map[string]int{}}
	server := httptest.NewServer(fake)
	defer server.Close()
	address := server.Listener.Addr().String()
	b, err := New(Options{Name: "s3", Kind: "s3", Flavour: "garage", Address: address, Admin: address, Password: "token", TLS: "none"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	g := provisioner.Grant{Instance: "i1", Name: b.Identifier("lilas-peertube")}
	g.Secrets = b.Secrets(g.Instance, randomReader)
	ensure := func() {
		t.Helper()
		values, err := b.Ensure(ctx, g)
		do("ensure", err)
		if values["s3_bucket"] != "frama-lilas-peertube" || values["s3_endpoint"] != "http://"+address {
			t.Errorf("got %v", values)
		}
	}
	ensure()
	ensure()
	if fake.calls["CreateBucket"] != 1 || fake.calls["ImportKey"] != 1 {
		t.Errorf("made %v", fake.calls)
	}
	thief := g
	thief.Instance, thief.Secrets = "i2", b.Secrets("i2", randomReader)
	if _, err := b.Ensure(ctx, thief); err == nil || !strings.Contains(err.Error(), "was not made by frama for this instance") {
		t.Errorf("taken over: %v", err)
	}
	old := g
	next := b.Secrets(g.Instance, randomReader)
	do("rotate", b.Rotate(ctx, g, next))
	do("the old key goes on for now", b.Login(ctx, g))
	g.Secrets = next
	ensure()
	if err := b.Login(ctx, old); err == nil {
		t.Error("the old key still opens the bucket")
	}
	do("retire", b.Retire(ctx, g))
	do("retire again", b.Retire(ctx, g))
	if err := b.Login(ctx, g); err == nil {
		t.Error("a retired key opens the bucket")
	}
	do("restore", b.Restore(ctx, g))
	ensure()
	do("retire", b.Retire(ctx, g))
	fake.keys["GKbackup"] = &fakeKey{name: "the host's backup", read: true, alias: true} // the host let it read the bucket
	do("purge", b.Purge(ctx, g))
	fake.keys["GKleft"] = &fakeKey{name: mark(g.Instance)} // as of a purge that was cut short after the bucket
	do("purge again", b.Purge(ctx, g))
	if fake.keys["GKbackup"] == nil {
		t.Error("the host's own key is deleted")
	}
	for id, k := range fake.keys {
		if k.name == mark(g.Instance) || fake.bucket != "" {
			t.Errorf("left: bucket %q, key %s", fake.bucket, id)
		}
	}
	if detail, err := b.Check(ctx); err != nil || detail != "Garage, healthy" {
		t.Errorf("got %q, %v", detail, err)
	}
}

// TestSaltedHash: a password as Dovecot reads it.
func TestSaltedHash(t *testing.T) {
	stored := saltedHash("p4ss")
	if !strings.HasPrefix(stored, "{SSHA512}") || !matches(stored, "p4ss") || matches(stored, "p4sS") || matches("{SSHA512}", "p4ss") {
		t.Errorf("got %s", stored)
	}
	// What Dovecot's own doveadm pw -t verified.
	known := "{SSHA512}wmmuH2YAu1K98yQ69rkhVkQDRWoUCFRdkdL7iSqB/b1KSB4shnKlcaW+lrrSNL2g0hUhKhLkzUncz2WNkU9Tg3I9MEYkUU64Y+q4nzlcFpM="
	if !matches(known, "p4ss") || matches(known, "wrong") {
		t.Error("not as Dovecot reads it")
	}
}
