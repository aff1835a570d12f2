package store

import (
	"errors"
	"fmt"
)

// Setting returns a stored value, or ErrNotFound.
func (tx *Tx) Setting(name string) (string, error) {
	return one(tx, value[string], `SELECT value FROM setting WHERE name = $1`, name)
}

// SetSetting stores a value.
func (tx *Tx) SetSetting(name, text string) error {
	_, err := tx.exec(`INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, text)
	return err
}

// SealedSetting returns a value that was sealed, or ErrNotFound.
func (tx *Tx) SealedSetting(name string) ([]byte, error) {
	sealed, err := tx.Setting(name)
	if err != nil {
		return nil, err
	}
	return tx.store.options.Seal.Open(sealed, "setting/"+name)
}

// SetSealedSetting seals a value and stores it.
func (tx *Tx) SetSealedSetting(name string, plain []byte) error {
	sealed, err := tx.store.options.Seal.Seal(plain, "setting/"+name)
	if err != nil {
		return err
	}
	return tx.SetSetting(name, sealed)
}

// sealCheck is sealed once, to tell a wrong seal key before it does harm.
const sealCheck = "seal_check"

// CheckSeal makes sure that the seal key is the one this database was written with.
func (tx *Tx) CheckSeal() error {
	plain, err := tx.SealedSetting(sealCheck)
	switch {
	case errors.Is(err, ErrNotFound):
		return tx.SetSealedSetting(sealCheck, []byte("frama"))
	case err == nil && string(plain) != "frama":
		err = errors.New("another check value")
	}
	if err != nil {
		return fmt.Errorf("the seal key is not the one this database was written with: "+
			"put back the key file that belongs to it (seal.key_file): %w", err)
	}
	return nil
}
