package dev

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// certificate is what a server on 127.0.0.1 needs for HTTPS: files, all PEM.
type certificate struct {
	file, key string
	authority string // who trusts this file trusts the server; its key is thrown away once it has signed
}

// loopbackCertificate returns the certificate in the folder, or makes one for 127.0.0.1, ::1 and localhost. It is kept
// from start to start, so that a trusted authority stays the right one.
func loopbackCertificate(dir string) (certificate, error) {
	c := certificate{
		file: filepath.Join(dir, "server.pem"), key: filepath.Join(dir, "server.key"), authority: filepath.Join(dir, "directory-ca.pem"),
	}
	if c.usable(time.Now()) {
		return c, nil
	}
	if err := c.make(time.Now()); err != nil {
		return c, fmt.Errorf("make a certificate for 127.0.0.1: %w", err)
	}
	return c, nil
}

// usable says whether the files belong together and last for another month.
func (c certificate) usable(now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(c.file, c.key)
	if err != nil {
		return false
	}
	authority, err := os.ReadFile(c.authority)
	if err != nil {
		return false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1", CurrentTime: now.AddDate(0, 1, 0)})
	return err == nil
}

func (c certificate) make(now time.Time) error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "frama development, ACME directory"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(c.authority, "CERTIFICATE", authorityDER, 0o644),
		writePEM(c.file, "CERTIFICATE", serverDER, 0o644),
		writePEM(c.key, "PRIVATE KEY", keyDER, 0o600),
	)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// httpClient trusts this server alone.
func (c certificate) httpClient() (*http.Client, error) {
	authority, err := os.ReadFile(c.authority)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

// appendRoots adds certificates to a file of roots that does not have them yet.
func appendRoots(path string, roots []byte) error {
	known, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("gather roots: %w", err)
	}
	if bytes.Contains(known, bytes.TrimSpace(roots)) {
		return nil
	}
	// All or nothing, since others read the file meanwhile.
	all := append(known, append(bytes.TrimSpace(roots), '\n')...)
	if err := os.WriteFile(path+".new", all, 0o644); err != nil {
		return fmt.Errorf("gather roots: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("gather roots: %w", err)
	}
	return nil
}
