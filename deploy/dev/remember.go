package dev

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// resolvePorts gives a number to each port that has none: the one of the last start, which the file remembers, so that
// addresses that people or databases have noted stay true; a new one where that is taken by now. A number that was asked
// for is only checked.
func resolvePorts(file string, ports ...*Port) error {
	remembered := make([]int, len(ports))
	if text, err := os.ReadFile(file); err == nil {
		if json.Unmarshal(text, &remembered) != nil || len(remembered) != len(ports) {
			remembered = make([]int, len(ports)) // another version's, or cut off by a crash
		}
	}
	fresh, err := FreePorts(len(ports))
	if err != nil {
		return err
	}
	for i, port := range ports {
		if port.Number == 0 && remembered[i] != 0 && (Port{Number: remembered[i]}).Check() == nil {
			port.Number = remembered[i]
		}
		if port.Number == 0 {
			port.Number = fresh[i]
		}
		if err := port.Check(); err != nil {
			return err
		}
		remembered[i] = port.Number
	}
	text, err := json.Marshal(remembered)
	if err != nil {
		return fmt.Errorf("note ports: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("note ports: %w", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("note ports: %w", err)
	}
	return nil
}

// rememberPassword reads an administrator's password, or makes one at the first start: letters and digits, which
// every language takes as they are.
func rememberPassword(file string) (string, error) {
	if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
		return string(text), nil
	}
	password := rand.Text()
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		return "", fmt.Errorf("note a password: %w", err)
	}
	return password, nil
}
