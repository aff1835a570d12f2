package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	nomadacl "framagit.org/frama/frama/deploy/nomad-acl"
)

// admit sets up what an administrator does once on a production cluster: the first management token, the namespace,
// frama's policy and its token. Each part is looked for first, so that every start may call it.
func (n *Nomad) admit(ctx context.Context) error {
	var err error
	if n.ManagementToken, err = n.bootstrap(ctx); err != nil {
		return fmt.Errorf("bootstrap Nomad's ACL: %w", err)
	}
	n.api.token = n.ManagementToken
	err = n.api.call(ctx, http.MethodPut, "/v1/namespace/"+n.Namespace, map[string]string{
		"Name": n.Namespace, "Description": "instances of frama's spaces",
	}, nil)
	if err != nil {
		return fmt.Errorf("make namespace %s: %w", n.Namespace, err)
	}
	// The file names the usual namespaces.
	rules := strings.Replace(nomadacl.Policy, `namespace "frama" `, fmt.Sprintf("namespace %q ", n.Namespace), 1)
	// Jobs of tests take their programs from the machine. No catalogue's job may.
	rules += "\nhost_volume \"frama-usr\" {\n  policy = \"read\"\n}\n"
	err = n.api.call(ctx, http.MethodPut, "/v1/acl/policy/frama", map[string]string{
		"Name": "frama", "Description": "frama", "Rules": rules,
	}, nil)
	if err != nil {
		return fmt.Errorf("write frama's ACL policy: %w", err)
	}
	n.TokenFile = filepath.Join(n.options.Data, "frama.token")
	if n.Token, err = n.framaToken(ctx); err != nil {
		return fmt.Errorf("make frama's token: %w", err)
	}
	return nil
}

// bootstrap makes the first management token. Its secret is chosen here and on disk before Nomad hears of it: a crash
// in between loses nothing.
func (n *Nomad) bootstrap(ctx context.Context) (string, error) {
	secret, err := secretFile(filepath.Join(n.options.Data, "management.token"), newUUID)
	if err != nil {
		return "", err
	}
	err = n.api.call(ctx, http.MethodPost, "/v1/acl/bootstrap", map[string]string{"BootstrapSecret": secret}, nil)
	if isStatus(err, http.StatusBadRequest) && strings.Contains(err.Error(), "already") {
		err = nil
	}
	if err != nil {
		return "", err
	}
	asks := &nomadAPI{address: n.Address, token: secret}
	if err := asks.call(ctx, http.MethodGet, "/v1/acl/token/self", nil, nil); err != nil {
		return "", fmt.Errorf("the token in %s is not that of the state beside it: remove the folder %s to start afresh (its jobs and their data go too): %w",
			filepath.Join(n.options.Data, "management.token"), n.options.Data, err)
	}
	return secret, nil
}

// framaToken returns the token of an earlier start if Nomad still knows it, else a new one.
func (n *Nomad) framaToken(ctx context.Context) (string, error) {
	if old, err := os.ReadFile(n.TokenFile); err == nil {
		asks := &nomadAPI{address: n.Address, token: strings.TrimSpace(string(old))}
		if asks.call(ctx, http.MethodGet, "/v1/acl/token/self", nil, nil) == nil {
			return asks.token, nil
		}
	}
	var made struct{ SecretID string }
	err := n.api.call(ctx, http.MethodPut, "/v1/acl/token", map[string]any{
		"Name": "frama", "Type": "client", "Policies": []string{"frama"},
	}, &made)
	if err != nil {
		return "", err
	}
	return made.SecretID, writeSecret(n.TokenFile, made.SecretID)
}

// secretFile reads a secret, or makes it on the first call.
func secretFile(path string, generate func() string) (string, error) {
	text, err := os.ReadFile(path)
	switch {
	case err == nil && len(text) > 0:
		return strings.TrimSpace(string(text)), nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := generate()
	return secret, writeSecret(path, secret)
}

// writeSecret writes a file that only its owner reads, all of it or nothing.
func writeSecret(path, secret string) error {
	if err := os.WriteFile(path+".new", []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}

// newUUID is the form in which Nomad wants secrets of tokens.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
