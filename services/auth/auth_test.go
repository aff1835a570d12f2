package auth_test

import (
	"strings"
	"testing"

	"framagit.org/frama/frama/services/auth"
)

func TestPassword(t *testing.T) {
	hash, err := auth.HashPassword("une phrase de passe")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q does not follow the parameters", hash)
	}
	for password, want := range map[string]bool{
		"une phrase de passe": true, "une phrase de Passe": false, "": false, strings.Repeat("x", 100_000): false,
	} {
		if got := auth.CheckPassword(password, hash); got != want {
			t.Errorf("CheckPassword(%.20q) = %v", password, got)
		}
	}
	for _, bad := range []string{"", "not a hash"} {
		if auth.CheckPassword("", bad) || auth.CheckPassword("une phrase de passe", bad) {
			t.Errorf("hash %q was matched", bad)
		}
	}
	for _, bad := range []string{"", "short", strings.Repeat("é", 11), strings.Repeat("x", 201)} {
		if _, err := auth.HashPassword(bad); err == nil {
			t.Errorf("password of %d bytes was accepted", len(bad))
		}
	}
}

func TestLinksDifferByPurposeRequestAndKey(t *testing.T) {
	a := auth.Links{Key: []byte(strings.Repeat("a", 32)), PublicURL: "https://host.example"}
	b := auth.Links{Key: []byte(strings.Repeat("b", 32))}
	seen := map[string]bool{}
	for _, token := range []string{
		a.ConfirmToken("1"), a.TrackToken("1"), a.ConfirmToken("2"), b.ConfirmToken("1"), b.TrackToken("1"), auth.NewToken(),
		auth.NewToken(),
	} {
		if len(token) != 43 || seen[token] {
			t.Errorf("token %q has the wrong length or came twice", token)
		}
		seen[token] = true
	}
	if a.Track("1") != "https://host.example/track/"+a.TrackToken("1") {
		t.Error("wrong address")
	}
}
