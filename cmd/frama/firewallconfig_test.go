package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"framagit.org/frama/frama/provisioner/isolation"
)

func TestTheFirewallKnowsWhatIsDeclared(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "frama.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`
[platform]
domain = "asso.example.org"
[edge]
addresses = ["192.0.2.10", "2001:db8::/64"]
[ports]
min = 12000
max = 12999
[firewall]
allow = ["ldap.example.org:636"]
[[backing]]
name = "pg1"
kind = "postgres"
address = "127.0.0.1:5432"
seen_as = "10.0.0.5:5432"
user = "a"
password = "b"
[[backing]]
name = "mail"
kind = "smtp"
mode = "shared"
address = "mail.example.org:587"
from = "x@example.org"
`)
	conf, err := loadConfig(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := conf.firewall()
	want := []string{"10.0.0.5:5432", "192.0.2.10:443", "ingress.asso.example.org:443", "ldap.example.org:636", "mail.example.org:587", "mail.example.org:993"}
	if err != nil || !slices.Equal(got.Endpoints, want) || got.Ports != "12000-12999" || len(got.Ingress) != 2 || got.Subnets[isolation.Web].String() != "172.31.248.0/22" {
		t.Errorf("%v %+v", err, got)
	}
	for text, says := range map[string]string{
		`allow = ["ldap"]`:        "is not host:port",
		`web = "10.0.0.1"`:        "web",
		`web = "172.31.240.0/20"`: "overlaps",
		`public_udp = "all"`:      "range of ports",
	} {
		write("[firewall]\n" + text)
		if _, err := loadConfig(file, nil, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
