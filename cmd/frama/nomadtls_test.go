package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A certificate without its key, or the reverse, is found before Nomad refuses every call.
func TestCertificateForNomad(t *testing.T) {
	for name, test := range map[string]struct{ cert, key, problem string }{
		"neither":         {},
		"both":            {cert: "/c.pem", key: "/k.pem"},
		"without its key": {cert: "/c.pem", problem: "belong together"},
		"only the key":    {key: "/k.pem", problem: "belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "frama.toml")
			text := tomlTable("nomad", "cert_file", test.cert, "key_file", test.key, "server_name", "server.global.nomad")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := loadConfig(file, nil, nil)
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("%v", err)
				}
				return
			}
			if got := c.Nomad.tls(); err != nil || got.CertFile != test.cert || got.KeyFile != test.key || got.ServerName != "server.global.nomad" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
