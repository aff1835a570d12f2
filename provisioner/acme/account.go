package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/registration"
)

// ErrNoAccount is what an AccountStore answers when it has none for a directory.
var ErrNoAccount = errors.New("no ACME account is stored for this directory")

// AccountStore keeps one account per directory. The bytes hold its private key: sealing them is the store's business.
type AccountStore interface {
	// LoadAccount returns what was saved last, or an error that wraps ErrNoAccount.
	LoadAccount(ctx context.Context, directory string) ([]byte, error)
	// SaveAccount replaces what is stored. The data is durable when it returns.
	// SaveAccount keeps the account, unless one of another key is there already (see SameKey): of two processes that
	// make the first account at once, the first to save decides for both.
	SaveAccount(ctx context.Context, directory string, account []byte) error
}

// SameKey says whether two stored accounts have the same key.
func SameKey(a, b []byte) bool {
	var one, other storedAccount
	return json.Unmarshal(a, &one) == nil && json.Unmarshal(b, &other) == nil && one.Key == other.Key
}

// account is what is stored: the key, and the registration once there is one. It implements lego's registration.User.
type account struct {
	email        string
	key          crypto.Signer
	registration *registration.Resource
}

func (a *account) GetEmail() string                        { return a.email }
func (a *account) GetRegistration() *registration.Resource { return a.registration }
func (a *account) GetPrivateKey() crypto.PrivateKey        { return a.key }

type storedAccount struct {
	Key          string                 `json:"key"` // PEM
	Registration *registration.Resource `json:"registration,omitempty"`
}

func (a *account) encode() ([]byte, error) {
	return json.Marshal(storedAccount{Key: string(certcrypto.PEMEncode(a.key)), Registration: a.registration})
}

// decodeAccount never quotes what it could not read: that may be a key.
func decodeAccount(raw []byte) (*account, error) {
	var s storedAccount
	if json.Unmarshal(raw, &s) != nil {
		return nil, errors.New("acme: the stored account is damaged: restore it from a backup")
	}
	key, err := certcrypto.ParsePEMPrivateKey([]byte(s.Key))
	if err != nil {
		return nil, errors.New("acme: the stored account's key is damaged: restore it from a backup")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("acme: the stored account's key cannot sign: restore it from a backup")
	}
	return &account{key: signer, registration: s.Registration}, nil
}

// Thumbprint implements provisioner.Issuer. It makes and saves the key if there is none, and never contacts the
// authority.
func (i *Issuer) Thumbprint(ctx context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	a, err := i.load(ctx)
	if err != nil {
		return "", err
	}
	return thumbprint(a.key.Public())
}

// load returns the account, with a new key if there was none. The key is saved before anybody uses it: registered but
// lost, it would leave the account unusable. Called with mu held.
func (i *Issuer) load(ctx context.Context) (*account, error) {
	if i.account != nil {
		return i.account, nil
	}
	raw, err := i.opts.Accounts.LoadAccount(ctx, i.opts.Directory)
	if errors.Is(err, ErrNoAccount) {
		if raw, err = i.create(ctx); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("acme: load the account: %w", err)
	}
	a, err := decodeAccount(raw)
	if err != nil {
		return nil, err
	}
	a.email = i.opts.Email
	i.account = a
	return a, nil
}

// create saves a new key and reads it back: should another process have saved its own meanwhile, that one is used.
func (i *Issuer) create(ctx context.Context) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("acme: make the account's key: %w", err)
	}
	if err := i.save(ctx, &account{key: key}); err != nil {
		return nil, err
	}
	return i.opts.Accounts.LoadAccount(ctx, i.opts.Directory)
}

func (i *Issuer) save(ctx context.Context, a *account) error {
	raw, err := a.encode()
	if err != nil {
		return fmt.Errorf("acme: encode the account: %w", err)
	}
	if err := i.opts.Accounts.SaveAccount(ctx, i.opts.Directory, raw); err != nil {
		return fmt.Errorf("acme: save the account: %w", err)
	}
	return nil
}

// registered returns the one client, and registers the account on its first use. A client given as stale is one whose
// account the authority no longer knows: unless somebody else mended it already, the same key is registered again.
func (i *Issuer) registered(ctx context.Context, stale *lego.Client) (*lego.Client, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.client != nil && i.client != stale {
		return i.client, nil
	}
	stored, err := i.load(ctx)
	if err != nil {
		return nil, err
	}
	fresh := *stored
	if stale != nil {
		fresh.registration = nil // with it, requests would be signed as the account that is gone
	}
	client, err := i.newClient(&fresh)
	if err != nil {
		return nil, err
	}
	if fresh.registration == nil {
		if fresh.registration, err = i.register(client); err != nil {
			return nil, fmt.Errorf("acme: register the account: %w", err)
		}
		if err := i.save(ctx, &fresh); err != nil {
			return nil, err
		}
	}
	i.account, i.client = &fresh, client
	return client, nil
}

// register agrees to the authority's terms: whoever configures a directory has done so. An account that exists for the
// key already, from a registration whose answer was lost, is what the authority then answers with.
func (i *Issuer) register(client *lego.Client) (*registration.Resource, error) {
	if i.opts.EABKeyID != "" {
		return client.Registration.RegisterWithExternalAccountBinding(registration.RegisterEABOptions{
			TermsOfServiceAgreed: true, Kid: i.opts.EABKeyID, HmacEncoded: i.opts.EABHMAC,
		})
	}
	return client.Registration.Register(registration.RegisterOptions{TermsOfServiceAgreed: true})
}

// thumbprint is base64url(SHA-256(JWK)), the members of the JWK in the order RFC 7638 requires.
func thumbprint(public crypto.PublicKey) (string, error) {
	b64 := base64.RawURLEncoding.EncodeToString
	var jwk string
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 4, X, Y
		if err != nil || k.Curve != elliptic.P256() {
			return "", fmt.Errorf("acme: thumbprint of a key on %s, only P-256 is supported", k.Curve.Params().Name)
		}
		jwk = `{"crv":"P-256","kty":"EC","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}`
	case *rsa.PublicKey:
		jwk = `{"e":"` + b64(big.NewInt(int64(k.E)).Bytes()) + `","kty":"RSA","n":"` + b64(k.N.Bytes()) + `"}`
	default:
		return "", fmt.Errorf("acme: thumbprint of a %T is not supported", public)
	}
	sum := sha256.Sum256([]byte(jwk))
	return b64(sum[:]), nil
}
