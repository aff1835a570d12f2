// Package acme gets certificates from an ACME authority with lego, over HTTP-01 challenges that the edge answers on its
// own: it knows the thumbprint of the account's key, and an answer is nothing but <token>.<thumbprint>. So nothing has
// to be distributed before an order, and Present only makes sure, before the authority tries, that the host really
// reaches an edge: failed validations are limited to a few an hour.
//
// One account per authority. Its key is made once and saved before it is used; an authority that forgot the account
// gets it registered again with the same key, so that the thumbprint edges hold stays right.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/lego"

	"framagit.org/frama/frama/provisioner"
)

// Options is what an Issuer needs. Directory and Accounts are required.
type Options struct {
	Directory string // URL of the authority's directory, https only (RFC 8555, 6.1)
	Email     string // contact of the account, may be empty
	CAFile    string // PEM file of authorities to trust for the directory besides the system's; empty for none
	// EABKeyID and EABHMAC (base64url) bind the account to one that the authority knows by other means; some require it.
	EABKeyID, EABHMAC string
	Accounts          AccountStore

	// EdgeHTTP is where an edge answers plain HTTP, as IP:port, for authorities and edges that public DNS does not
	// lead to, as in development. Empty asks the host itself, port 80, the way an authority does.
	EdgeHTTP string
	// Preflight is how long a host is given to answer its challenge before the authority is asked to look; 15 s if 0.
	Preflight time.Duration
	// Check replaces the pre-flight if not nil.
	Check func(ctx context.Context, host, token, keyAuth string) error

	Log *slog.Logger // slog.Default() if nil
}

// issueLimit bounds the wait for the authority to sign, once the challenge was met.
const issueLimit = 90 * time.Second

// Issuer implements provisioner.Issuer. It may be used concurrently.
type Issuer struct {
	opts Options
	pool *x509.CertPool

	mu      sync.Mutex
	account *account
	client  *lego.Client // registered; nil until the first certificate
}

var _ provisioner.Issuer = (*Issuer)(nil)

// New checks the options. It does not contact the authority.
func New(o Options) (*Issuer, error) {
	u, err := url.Parse(o.Directory)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("acme: the directory %q is not an https URL such as https://acme-v02.api.letsencrypt.org/directory", o.Directory)
	}
	if o.Accounts == nil {
		return nil, errors.New("acme: a store for the account is required")
	}
	if (o.EABKeyID == "") != (o.EABHMAC == "") {
		return nil, errors.New("acme: external account binding needs both the key ID and the HMAC key, or neither")
	}
	pool, err := trusted(o.CAFile)
	if err != nil {
		return nil, err
	}
	if o.Preflight <= 0 {
		o.Preflight = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Check == nil {
		o.Check = preflight{edge: o.EdgeHTTP, limit: o.Preflight, every: 500 * time.Millisecond}.check
	}
	return &Issuer{opts: o, pool: pool}, nil
}

// Issue implements provisioner.Issuer. replaces is the certificate to be renewed, as PEM or DER, or nothing: naming it
// exempts a renewal from the authority's limits (RFC 9773). An order takes
// up to Preflight and about 4 minutes, in which the context is not looked at: lego takes none.
func (i *Issuer) Issue(ctx context.Context, host string, replaces []byte) (provisioner.Issued, error) {
	if err := ctx.Err(); err != nil {
		return provisioner.Issued{}, err
	}
	request := certificate.ObtainRequest{Domains: []string{host}, Bundle: true, ReplacesCertID: i.certID(ctx, host, replaces)}
	client, err := i.registered(ctx, nil)
	if err != nil {
		return provisioner.Issued{}, i.explain("", err)
	}
	resource, err := client.Certificate.Obtain(request)
	if accountUnknown(err) {
		i.opts.Log.WarnContext(ctx, "the authority does not know the account any more: registering the same key again", "directory", i.opts.Directory)
		if client, err = i.registered(ctx, client); err != nil {
			return provisioner.Issued{}, i.explain("", err)
		}
		resource, err = client.Certificate.Obtain(request)
	}
	if request.ReplacesCertID != "" && replacementRefused(err) {
		i.opts.Log.InfoContext(ctx, "the authority has this certificate replaced already: ordering without naming it", "host", host)
		request.ReplacesCertID = ""
		resource, err = client.Certificate.Obtain(request)
	}
	if err != nil {
		return provisioner.Issued{}, i.explain(host, err)
	}
	return issued(host, resource)
}

// certID names the certificate to replace in the authority's words, or gives nothing: a renewal without it works too.
func (i *Issuer) certID(ctx context.Context, host string, replaces []byte) string {
	if len(replaces) == 0 {
		return ""
	}
	der := replaces
	if block, _ := pem.Decode(replaces); block != nil {
		der = block.Bytes
	}
	leaf, err := x509.ParseCertificate(der)
	if err == nil {
		var id string
		if id, err = certificate.MakeARICertID(leaf); err == nil {
			return id
		}
	}
	i.opts.Log.WarnContext(ctx, "the certificate to renew cannot be named to the authority", "host", host, "error", err)
	return ""
}

// issued checks that what came is what was asked for before anybody relies on it.
func issued(host string, r *certificate.Resource) (provisioner.Issued, error) {
	pair, err := tls.X509KeyPair(r.Certificate, r.PrivateKey)
	if err != nil {
		return provisioner.Issued{}, fmt.Errorf("acme: the authority answered with a certificate for another key: %w", err)
	}
	if err := pair.Leaf.VerifyHostname(host); err != nil {
		return provisioner.Issued{}, fmt.Errorf("acme: the authority answered with a certificate for another host: %w", err)
	}
	return provisioner.Issued{
		ChainPEM: r.Certificate, KeyPEM: r.PrivateKey,
		NotBefore: pair.Leaf.NotBefore, NotAfter: pair.Leaf.NotAfter, URL: r.CertURL,
	}, nil
}

// newClient asks for the directory. Each client needs an http.Client of its own, since lego wraps its transport.
func (i *Issuer) newClient(a *account) (*lego.Client, error) {
	config := lego.NewConfig(a)
	config.CADirURL = i.opts.Directory
	config.UserAgent = "frama"
	config.HTTPClient = newHTTPClient(i.pool)
	config.Certificate.KeyType = certcrypto.EC256
	config.Certificate.Timeout = issueLimit
	client, err := lego.NewClient(config)
	if err != nil {
		return nil, err
	}
	if err := client.Challenge.SetHTTP01Provider(challenger{check: i.opts.Check, limit: i.opts.Preflight}); err != nil {
		return nil, err
	}
	return client, nil
}
