// Package edge carries what the ingress must know from frama to each ingress node, and keeps serving there when frama
// is gone.
//
// In frama, a Publisher offers the current provisioner.Snapshot to authenticated nodes: a long poll over HTTP, the body
// signed with ed25519. On the node, an Agent verifies it, keeps the last good one on disk and drives a real HAProxy
// (2.6 or newer) with it. Routes and certificates change through HAProxy's runtime API, without a reload; the files
// HAProxy starts from are always written first, so that a restart of HAProxy, of the agent or of the machine comes up
// with the same.
//
// What answers a visitor:
//
//	/.well-known/acme-challenge/<token>  HAProxy itself, with <token>.<thumbprint>, whatever else is down
//	an active host over http             a redirect to https
//	an active host over https            the instance, through set-dst from one map (36 MB at 50 000 routes)
//	a read-only host over https          the instance for what reads or deletes, a page for all else, 507
//	a starting or suspended host         a page, 503 with Retry-After
//	an unknown host                      a page, 404
//	an instance that does not answer     a page, 503
//
// Snapshots hold private keys. They travel over https or loopback only, and every file made from them is readable by
// its owner alone.
package edge

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"time"
)

const (
	// SnapshotPath is where the Publisher offers the snapshot; AckPath is where agents say what they did with it.
	SnapshotPath = "/edge/v1/snapshot"
	AckPath      = "/edge/v1/ack"

	// SignatureHeader holds the base64 of the ed25519 signature over the exact bytes of the body.
	SignatureHeader = "Frama-Signature"

	// maxWait is the longest a poll is held. It stays below the minute after which common proxies give up.
	maxWait = 55 * time.Second
)

// ErrSignature means that a snapshot was not signed by the key the agent trusts.
var ErrSignature = errors.New("the snapshot's signature does not match the public key of this edge: " +
	"check that the edge was given the key that frama publishes with")

// agentName is what may name an agent: it is stored, shown and logged by frama.
var agentName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Ack is what an agent tells frama after it tried a snapshot.
type Ack struct {
	Agent   string `json:"agent"`
	Version int64  `json:"version"`
	Error   string `json:"error"` // for people; empty when everything is in place
}

// FormatPublicKey writes a public key the way ParsePublicKey reads it.
func FormatPublicKey(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

// ParsePublicKey reads the base64 of an ed25519 public key.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("public key of the publisher is not base64: %w", err)
	}
	if len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("public key of the publisher has %d bytes, want %d", len(raw), ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(raw), nil
}

// verify checks a signature header against the bytes that came with it.
func verify(key ed25519.PublicKey, body []byte, header string) error {
	sig, err := base64.StdEncoding.DecodeString(header)
	if err != nil || !ed25519.Verify(key, body, sig) {
		return ErrSignature
	}
	return nil
}
