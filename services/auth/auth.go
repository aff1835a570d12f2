// Package auth holds what proves who somebody is: passwords of the staff (argon2id), session tokens, and the links of
// mails, which are all an association has.
package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

// MinPassword is the least number of characters of a password (NIST SP 800-63B asks for 8 with other factors, 15
// without); MaxPassword bounds the work of hashing.
const (
	MinPassword = 12
	MaxPassword = 200
)

// params follow OWASP's password storage cheat sheet (argon2id, 19 MiB, 2 passes, 1 lane).
var params = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// HashPassword returns the argon2id hash of a password in the PHC string format.
func HashPassword(password string) (string, error) {
	switch n := utf8.RuneCountInString(password); {
	case n < MinPassword:
		return "", fmt.Errorf("the password has %d characters: choose at least %d", n, MinPassword)
	case n > MaxPassword:
		return "", fmt.Errorf("the password has %d characters: choose at most %d", n, MaxPassword)
	}
	p := params
	return argon2id.CreateHash(password, &p)
}

// decoy is a hash of no password: checking against it costs what a real check costs, so that the time of an answer
// does not tell which addresses have an account.
const decoy = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// CheckPassword says whether the password is the one behind the hash. An empty hash is never matched, at the same cost.
func CheckPassword(password, hash string) bool {
	if utf8.RuneCountInString(password) > MaxPassword {
		return false
	}
	known := hash != ""
	if !known {
		hash = decoy
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	return ok && err == nil && known
}

// NewToken returns 256 random bits for a cookie.
func NewToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// Hash is what the database keeps of a token. Tokens have 256 bits of their own, so a plain hash is enough.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Links makes the unguessable links of mails. They derive from a key and the request's ID, so the database never holds
// one, and every mail about a request can carry the same link.
type Links struct {
	Key       []byte // 32 bytes
	PublicURL string // without a slash at the end
}

// ConfirmToken is the token that confirms a request's mail address.
func (l Links) ConfirmToken(request string) string { return l.token("confirm", request) }

// TrackToken is the token of a request's private page.
func (l Links) TrackToken(request string) string { return l.token("track", request) }

// Confirm is the address that confirms a request.
func (l Links) Confirm(request string) string {
	return l.PublicURL + "/confirm/" + l.ConfirmToken(request)
}

// Track is the address of a request's private page.
func (l Links) Track(request string) string { return l.PublicURL + "/track/" + l.TrackToken(request) }

// Dashboard is the address where the staff sees a request.
func (l Links) Dashboard(request string) string { return l.PublicURL + "/admin/requests/" + request }

func (l Links) token(purpose, request string) string {
	mac := hmac.New(sha256.New, l.Key)
	mac.Write([]byte(strings.Join([]string{purpose, request}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
