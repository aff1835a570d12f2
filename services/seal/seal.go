// Package seal encrypts private keys and accounts at rest, so that a copy of the database alone discloses none of
// them. It uses XChaCha20-Poly1305 with a random nonce; the context (which row) is authenticated with the value, so a
// sealed value cannot be moved to another row.
package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Size of a key, in bytes.
const Size = 32

// Key seals and opens values.
type Key struct{ raw []byte }

// New makes a Key from 32 random bytes.
func New(raw []byte) (*Key, error) {
	if len(raw) != Size {
		return nil, fmt.Errorf("a seal key has %d bytes, this one has %d", Size, len(raw))
	}
	return &Key{raw}, nil
}

// Load reads a key file: 32 bytes in base64.
func Load(path string) (*Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no seal key: run frama migrate on a new host, or restore the file from your backup: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the seal key: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != Size {
		return nil, fmt.Errorf("the seal key in %s is damaged: expected %d bytes in base64; restore it from your backup", path, Size)
	}
	return New(raw)
}

// LoadOrMake reads a key file, or makes one that only its owner can read.
func LoadOrMake(path string) (*Key, error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return Load(path)
	}
	raw := make([]byte, Size)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("make a seal key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the seal key: %w", err)
	}
	// O_EXCL: of two processes that start at once, one makes the key and the other reads it.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return Load(path)
	}
	if err != nil {
		return nil, fmt.Errorf("write the seal key: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write the seal key: %w", err)
	}
	return New(raw)
}

// Seal encrypts plain. The same context must be given to Open.
func (k *Key) Seal(plain []byte, context string) (string, error) {
	aead, err := chacha20poly1305.NewX(k.raw)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, []byte(context))), nil
}

// Open decrypts what Seal made.
func (k *Key) Open(sealed, context string) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k.raw)
	if err != nil {
		return nil, fmt.Errorf("open a sealed value: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < aead.NonceSize() {
		return nil, errors.New("open a sealed value: it is damaged")
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(context))
	if err != nil {
		return nil, errors.New("open a sealed value: another key or another row")
	}
	return plain, nil
}

// Derive makes a key of n bytes for one purpose (RFC 5869), so that one file is all there is to keep.
func (k *Key) Derive(purpose string, n int) []byte {
	out, err := hkdf.Key(sha256.New, k.raw, nil, "frama/"+purpose, n)
	if err != nil {
		panic(err) // only for n beyond 255 hashes: a mistake in the code
	}
	return out
}
