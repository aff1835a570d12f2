package release

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"aead.dev/minisign"
)

// NewKey makes a key pair and writes the private half, encrypted with the password, to the file, which must not exist. It
// returns the public half, for those who follow.
func NewKey(file, password string) (public string, err error) {
	if password == "" {
		return "", errors.New("the key needs a password: whoever has both can publish in your name")
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("%s exists: a key is never overwritten, since those who follow it would be locked out", file)
	}
	if err != nil {
		return "", fmt.Errorf("write the key: %w", err)
	}
	defer f.Close()
	pub, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	text, err := minisign.EncryptKey(password, private)
	if err != nil {
		return "", fmt.Errorf("encrypt the key: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync()); err != nil {
		return "", fmt.Errorf("write the key: %w", err)
	}
	return pub.String(), nil
}

// Sign makes the folder a release: it writes release.txt and its signature. password is asked for the key's password when
// it has one; keys of minisign -W have none, for machines that sign.
func Sign(dir string, x Index, keyFile string, password func() (string, error)) (Index, error) {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return x, fmt.Errorf("the key cannot be read: %w", err)
	}
	var key minisign.PrivateKey
	if !minisign.IsEncrypted(text) {
		if err := key.UnmarshalText(text); err != nil {
			return x, fmt.Errorf("%s is no private key of minisign: %w", keyFile, err)
		}
		return sign(dir, x, key)
	}
	word, err := password()
	if err != nil {
		return x, err
	}
	if key, err = minisign.DecryptKey(word, text); err != nil {
		return x, fmt.Errorf("the key %s cannot be read with this password: %w", keyFile, err)
	}
	return sign(dir, x, key)
}

func sign(dir string, x Index, key minisign.PrivateKey) (Index, error) {
	var err error
	if x.Files, err = scan(dir); err != nil {
		return x, fmt.Errorf("release %s: %w", dir, err)
	}
	if len(x.Files) == 0 {
		return x, fmt.Errorf("%s holds no files: name a folder with applications", dir)
	}
	if err := x.check(); err != nil {
		return x, err
	}
	text := []byte(x.String())
	comment := fmt.Sprintf("%s version %d", x.Name, x.Version)
	signature := minisign.SignWithComments(key, text, comment, "signature of a catalogue of frama")
	// The signature goes last: until it is there, nobody takes the folder for a release.
	if err := os.Remove(filepath.Join(dir, SignatureFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return x, fmt.Errorf("sign %s: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(dir, IndexFile), text, 0o644); err != nil {
		return x, fmt.Errorf("sign %s: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(dir, SignatureFile), signature, 0o644); err != nil {
		return x, fmt.Errorf("sign %s: %w", dir, err)
	}
	return x, nil
}

// Verify says what the folder is a release of, once its signature and every file are found to be right.
func Verify(dir, publicKey string) (Index, error) {
	var key minisign.PublicKey
	if err := key.UnmarshalText([]byte(publicKey)); err != nil {
		return Index{}, fmt.Errorf("catalogue.key is no public key of minisign (a line that starts with RW): %w", err)
	}
	text, err := readSmall(filepath.Join(dir, IndexFile))
	if err != nil {
		return Index{}, fmt.Errorf("this is no signed catalogue: %w", err)
	}
	signature, err := readSmall(filepath.Join(dir, SignatureFile))
	if err != nil {
		return Index{}, fmt.Errorf("this catalogue is not signed: %w", err)
	}
	if !minisign.Verify(key, text, signature) {
		return Index{}, errors.New("the signature is not by catalogue.key, or release.txt was changed: do not use this catalogue; " +
			"ask its publisher, by another way than where you got it, which key is right")
	}
	x, err := parse(string(text))
	if err != nil {
		return x, err
	}
	found, err := scan(dir)
	if err != nil {
		return x, fmt.Errorf("the catalogue is refused: %w", err)
	}
	if err := compare(x.Files, found); err != nil {
		return x, fmt.Errorf("the catalogue is refused:\n%w", err)
	}
	return x, nil
}

// readSmall reads a file that is no link and not larger than a release's files may be.
func readSmall(file string) ([]byte, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no plain file of a reasonable size", filepath.Base(file))
	}
	return os.ReadFile(file)
}
