package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oneServer = `[[backing]]
name = "db-1"
kind = "postgres"
address = "10.0.0.5:5432"
user = "frama"
tls = "none"
`

// TestBackingConfig: servers are a list of tables; a password comes from the file, from one of its own, or from the
// environment, which wins.
func TestBackingConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("p4ss\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		more    string
		environ []string
	}{
		"key":                {`password = "p4ss"`, nil},
		"file":               {`password_file = "` + file + `"`, nil},
		"variable":           {"", []string{"FRAMA_BACKING_DB_1_PASSWORD=p4ss"}},
		"variable's file":    {"", []string{"FRAMA_BACKING_DB_1_PASSWORD_FILE=" + file}},
		"variable over key":  {`password = "old"`, []string{"FRAMA_BACKING_DB_1_PASSWORD=p4ss"}},
		"variable over file": {`password_file = "/nowhere"`, []string{"FRAMA_BACKING_DB_1_PASSWORD=p4ss"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := configured(t, oneServer+tc.more, tc.environ, nil)
			if err != nil || len(c.Backing) != 1 || c.Backing[0].Password != "p4ss" {
				t.Fatalf("got %+v, %v", c.Backing, err)
			}
			servers, err := c.backing()
			if err != nil || len(servers) != 1 || servers[0].Name() != "db-1" || servers[0].Kind() != "postgres" || servers[0].Full {
				t.Errorf("got %+v, %v", servers, err)
			}
		})
	}
}

// TestBackingConfigRefused: what is wrong is named, and no message holds a password.
func TestBackingConfigRefused(t *testing.T) {
	server := oneServer + "password = \"s3cr3t\"\n"
	for name, tc := range map[string]struct {
		text    string
		environ []string
		want    []string
	}{
		"unknown key":      {server + "adress = \"x\"", nil, []string{"unknown key backing[0].adress", "did you mean address?"}},
		"the old form":     {"[backing]\ndb_name = \"{job}\"", nil, []string{"unknown key backing[0].db_name"}},
		"no name":          {"[[backing]]\nkind = \"redis\"", nil, []string{"backing[0].name"}},
		"twice":            {server + server, nil, []string{"backing db-1 is declared twice"}},
		"kind":             {strings.Replace(server, "postgres", "oracle", 1), nil, []string{`"oracle" is none of`}},
		"of another kind":  {server + "region = \"x\"", nil, []string{"region is for kind s3"}},
		"no password":      {oneServer, nil, []string{"FRAMA_BACKING_DB_1_PASSWORD"}},
		"two passwords":    {server + "password_file = \"/x\"", nil, []string{"password and password_file"}},
		"no such file":     {oneServer + "password_file = \"/nowhere\"", nil, []string{"password_file", "/nowhere"}},
		"no such server":   {server, []string{"FRAMA_BACKING_DB2_PASSWORD=s3cr3t"}, []string{"FRAMA_BACKING_DB2_PASSWORD names no declared"}},
		"no such variable": {server, []string{"FRAMA_BACKING_DB_1_USER=x"}, []string{"unknown variable FRAMA_BACKING_DB_1_USER"}},
		"address":          {strings.Replace(server, ":5432", "", 1), nil, []string{"backing db-1: address"}},
		"authority":        {strings.Replace(server, `tls = "none"`, `ca_file = "/nowhere"`, 1), nil, []string{"backing db-1: ca_file"}},
		"tls":              {strings.Replace(server, `"none"`, `"maybe"`, 1), nil, []string{"neither verify nor none"}},
		"flavour": {`[[backing]]
name = "s3"
kind = "s3"
address = "10.0.0.5:443"
password = "s3cr3t"`, nil, []string{"flavour"}},
		"tables": {`[[backing]]
name = "mail"
kind = "smtp"
address = "10.0.0.5:587"
mode = "dovecot-sql"
from = "{name}@example.org"
database = "mail"
tables = "db9"`, nil, []string{`"db9" is no declared backing server of kind postgres`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := configured(t, tc.text, tc.environ, nil)
			var usage usageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("a password is shown: %v", err)
			}
		})
	}
}
