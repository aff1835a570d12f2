package edge

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// certificate is a certificate as HAProxy gets it. Its file name holds a digest of all it depends on, so that comparing
// names compares contents, and that a renewed certificate is added before the one it replaces goes away.
type certificate struct {
	id    string
	file  string   // base name
	pem   []byte   // chain and key, no empty lines: an empty line ends the payload of a runtime command
	hosts []string // names it answers for; may hold a leading *.
}

var certificateID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// newCertificate checks that the key fits the chain and that the leaf covers the hosts. The warning is about a
// certificate that is served nevertheless.
func newCertificate(c provisioner.EdgeCertificate, now time.Time) (cert certificate, warning string, err error) {
	if !certificateID.MatchString(c.ID) {
		return certificate{}, "", errors.New("its ID must be letters, digits, dashes and underscores")
	}
	pair, err := tls.X509KeyPair([]byte(c.ChainPEM), []byte(c.KeyPEM))
	if err != nil {
		return certificate{}, "", fmt.Errorf("chain and key do not make a pair: %w", err)
	}
	leaf := pair.Leaf
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return certificate{}, "", fmt.Errorf("its RSA key has %d bits, HAProxy takes 2048 and more", key.N.BitLen())
	}
	if len(c.Hosts) == 0 {
		return certificate{}, "", errors.New("it names no host")
	}
	cert = certificate{id: c.ID}
	for _, h := range c.Hosts {
		h = strings.ToLower(h)
		if err := checkHost(strings.TrimPrefix(h, "*.")); err != nil {
			return certificate{}, "", fmt.Errorf("host %s: %w", quote(h), err)
		}
		if err := leaf.VerifyHostname(strings.Replace(h, "*.", "any-name.", 1)); err != nil {
			return certificate{}, "", fmt.Errorf("it does not cover %s", h)
		}
		cert.hosts = append(cert.hosts, h)
	}
	if cert.pem, err = joinPEM(pair, []byte(c.KeyPEM)); err != nil {
		return certificate{}, "", err
	}
	sum := sha256.New()
	sum.Write(cert.pem)
	for _, h := range cert.hosts {
		sum.Write([]byte("\n" + h))
	}
	cert.file = c.ID + "." + hex.EncodeToString(sum.Sum(nil)[:8]) + ".pem"
	if now.After(leaf.NotAfter) {
		warning = "expired on " + leaf.NotAfter.UTC().Format(time.DateOnly) + ", renew it"
	}
	return cert, warning, nil
}

// joinPEM encodes anew what was parsed: comments, empty lines and whatever else stood between the blocks are left out.
func joinPEM(pair tls.Certificate, keyPEM []byte) ([]byte, error) {
	var out bytes.Buffer
	for _, der := range pair.Certificate {
		if _, err := x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("its chain is damaged: %w", err)
		}
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return nil, err
		}
	}
	for block, rest := pem.Decode(keyPEM); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			err := pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes})
			return out.Bytes(), err
		}
	}
	return nil, errors.New("no private key found")
}

// selfSigned is what clients get that ask for a name nobody has a certificate for. It is valid for ten years: nobody is
// meant to trust it, and it must not be what breaks.
func selfSigned(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the default certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make the default certificate: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "no such host"},
		DNSNames:     []string{"unknown.invalid"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "no such host"}}, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the default certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the default certificate: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...), nil
}
