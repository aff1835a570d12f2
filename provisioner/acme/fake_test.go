package acme

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// fake is an authority that gets as far as orders, and answers those from a list.
type fake struct {
	*httptest.Server
	caFile string
	store  *memory

	mu        sync.Mutex
	directory http.HandlerFunc // answers instead of the directory if not nil
	orders    []http.HandlerFunc
	replaces  []string // what each order named
	accounts  []string // the key of each registration
	keyless   bool     // a registration came before its key was saved
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{store: &memory{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/dir", func(w http.ResponseWriter, r *http.Request) {
		if f.directory != nil {
			f.directory(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{
			"newNonce": f.URL + "/nonce", "newAccount": f.URL + "/account", "newOrder": f.URL + "/order", "renewalInfo": f.URL + "/renewal",
		})
	})
	mux.HandleFunc("/nonce", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Replay-Nonce", "n") })
	mux.HandleFunc("/account", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		head, _ := jws(t, r)
		f.keyless = f.keyless || f.store.empty()
		f.accounts = append(f.accounts, fmt.Sprint(head["jwk"]))
		w.Header().Set("Replay-Nonce", "n")
		w.Header().Set("Location", fmt.Sprintf("%s/account/%d", f.URL, len(f.accounts)))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"status":"valid"}`)
	})
	mux.HandleFunc("/order", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		_, body := jws(t, r)
		replaces, _ := body["replaces"].(string)
		f.replaces = append(f.replaces, replaces)
		w.Header().Set("Replay-Nonce", "n")
		if len(f.orders) == 0 {
			t.Error("an order too many")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		f.orders[0](w, r)
		f.orders = f.orders[1:]
	})
	f.Server = httptest.NewTLSServer(mux)
	t.Cleanup(f.Close)
	f.Config.ErrorLog = nil
	f.caFile = filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	if err := os.WriteFile(f.caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fake) issuer(t *testing.T) *Issuer {
	t.Helper()
	i, err := New(Options{Directory: f.URL + "/dir", CAFile: f.caFile, Accounts: f.store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func jws(t *testing.T, r *http.Request) (head, body map[string]any) {
	t.Helper()
	var m struct{ Protected, Payload string }
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		t.Error(err)
	}
	for part, into := range map[string]*map[string]any{m.Protected: &head, m.Payload: &body} {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return head, body
}

func refuse(status int, kind, detail string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": problems + kind, "detail": detail, "status": status})
	}
}
