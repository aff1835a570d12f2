//go:build e2e

package acme

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"framagit.org/frama/frama/provisioner"
)

func TestPebble(t *testing.T) {
	a := newAuthority(t)
	store := &memory{}
	i := a.issuer(store)
	ctx := context.Background()

	_, err := i.Issue(ctx, "early.example.org", nil)
	var later *provisioner.TemporaryError
	if !errors.As(err, &later) || !strings.Contains(err.Error(), "404 Not Found: \"no such page\"") {
		t.Fatalf("an edge that does not answer: %v", err)
	}

	thumb, err := i.Thumbprint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	a.thumbprint.Store(thumb)
	got, err := i.Issue(ctx, "pads.example.org", nil)
	if err != nil {
		t.Fatal(err)
	}
	a.verify(got, "pads.example.org")

	renewed, err := i.Issue(ctx, "pads.example.org", got.ChainPEM)
	if err != nil {
		t.Fatal(err)
	}
	a.verify(renewed, "pads.example.org")
	if bytes.Equal(renewed.KeyPEM, got.KeyPEM) || renewed.URL == got.URL {
		t.Error("the renewal is the same certificate")
	}
	if _, err := i.Issue(ctx, "pads.example.org", got.ChainPEM); err != nil {
		t.Errorf("a certificate that was replaced already: %v", err)
	}

	a.stop() // and it forgets its accounts
	if _, err := i.Issue(ctx, "calcs.example.org", nil); !errors.As(err, &later) || !strings.Contains(later.Reason, "cannot be reached") {
		t.Errorf("without an authority: %v", err)
	}
	a.start()
	got, err = i.Issue(ctx, "calcs.example.org", nil)
	if err != nil {
		t.Fatalf("after the authority forgot the account: %v", err)
	}
	a.verify(got, "calcs.example.org")
	if again, err := a.issuer(store).Thumbprint(ctx); err != nil || again != thumb {
		t.Errorf("the thumbprint changed: %v", err)
	}
	var stored struct{ Registration json.RawMessage }
	if err := json.Unmarshal(store.raw["https://"+a.listen+"/dir"], &stored); err != nil || len(stored.Registration) == 0 {
		t.Errorf("the registration is not stored: %v", err)
	}
}

func TestPebbleRejectsNonces(t *testing.T) {
	a := newAuthority(t)
	a.stop()
	a.env = append(a.env, "PEBBLE_WFE_NONCEREJECT=50")
	a.start()
	i := a.issuer(&memory{})
	thumb, err := i.Thumbprint(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a.thumbprint.Store(thumb)
	got, err := i.Issue(context.Background(), "pads.example.org", nil)
	if err != nil {
		t.Fatal(err)
	}
	a.verify(got, "pads.example.org")
}

func TestPebbleValidationFails(t *testing.T) {
	a := newAuthority(t)
	o := a.issuer(&memory{}).opts
	o.Check = func(context.Context, string, string, string) error { return nil } // no pre-flight
	i, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = i.Issue(context.Background(), "pads.example.org", nil); err == nil || !strings.Contains(err.Error(), "got a wrong answer from pads.example.org") {
		t.Errorf("got %v", err)
	}
}
