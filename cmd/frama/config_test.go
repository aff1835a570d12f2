package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// configured reads a configuration file with this text.
func configured(t *testing.T, text string, environ []string, flags *pflag.FlagSet) (config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "frama.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig(file, environ, flags)
}

// TestConfigPrecedence: each source alone, then over the one before.
func TestConfigPrecedence(t *testing.T) {
	const file = "listen = \"file:1\"\n[worker]\nlease = \"2m\"\n"
	environ := []string{"FRAMA_LISTEN=variable:1", "FRAMA_TEST_X=ours to ignore", "FRAMA_CACHE=/x", "PATH=/bin"}
	set := func(args ...string) *pflag.FlagSet {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		keyFlag(flags, "listen", "listen", "address")
		flags.String("name", "", "of no key")
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		return flags
	}
	for name, tc := range map[string]struct {
		file    string
		environ []string
		flags   *pflag.FlagSet
		want    string
	}{
		"default":            {"", nil, nil, "127.0.0.1:8600"},
		"file":               {file, nil, nil, "file:1"},
		"variable":           {"", environ, nil, "variable:1"},
		"variable over file": {file, environ, nil, "variable:1"},
		"flag":               {"", nil, set("--listen", "flag:1"), "flag:1"},
		"flag over all":      {file, environ, set("--listen=flag:1", "--name=x"), "flag:1"},
		"flag not given":     {file, environ, set("--name", "x"), "variable:1"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := configured(t, tc.file, tc.environ, tc.flags)
			if err != nil || c.Listen != tc.want {
				t.Errorf("listen is %q, want %q (%v)", c.Listen, tc.want, err)
			}
			if tc.file != "" && c.Worker.Lease != 2*time.Minute {
				t.Errorf("worker.lease is %s", c.Worker.Lease)
			}
		})
	}
}

// TestConfigSecrets: a secret may come from the file, a variable, or files that either names; the end of the line in
// which people store them is no part of it.
func TestConfigSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unix, dos := file("unix", "word pass\n"), file("dos", "word pass\r\n")
	for name, tc := range map[string]struct {
		text    string
		environ []string
	}{
		"key":                      {"[smtp]\npassword = \"word pass\"", nil},
		"variable":                 {"", []string{"FRAMA_SMTP_PASSWORD=word pass"}},
		"file by key":              {"[smtp]\npassword_file = \"" + unix + "\"", nil},
		"file by variable":         {"", []string{"FRAMA_SMTP_PASSWORD_FILE=" + dos}},
		"variable over key":        {"[smtp]\npassword = \"old\"", []string{"FRAMA_SMTP_PASSWORD=word pass"}},
		"file over an old":         {"[smtp]\npassword = \"old\"", []string{"FRAMA_SMTP_PASSWORD_FILE=" + unix}},
		"variable over key's file": {"[smtp]\npassword_file = \"" + unix + "x\"", []string{"FRAMA_SMTP_PASSWORD=word pass"}},
		"variable over file":       {"[smtp]\npassword_file = \"" + file("old", "old") + "\"", []string{"FRAMA_SMTP_PASSWORD_FILE=" + unix}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := configured(t, tc.text, tc.environ, nil)
			if err != nil || c.SMTP.Password != "word pass" {
				t.Errorf("got %q, %v", c.SMTP.Password, err)
			}
		})
	}
	// Only secrets have files.
	if _, err := configured(t, "", []string{"FRAMA_LISTEN_FILE=" + unix}, nil); err == nil {
		t.Error("FRAMA_LISTEN_FILE was taken")
	}
	if _, err := configured(t, "listen_file = \""+unix+"\"", nil, nil); err == nil {
		t.Error("listen_file was taken")
	}
}

// TestConfigRefused: what is wrong is named, as a mistake of whoever wrote it.
func TestConfigRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		environ []string
		want    []string
	}{
		"key":           {"[nomad]\nadress = \"x\"", nil, []string{"unknown key nomad.adress", "did you mean nomad.address?"}},
		"table":         {"[nomat]\naddress = \"x\"", nil, []string{"unknown key nomat"}},
		"several keys":  {"zebra = 1\n[smtp]\nprot = 1", nil, []string{"smtp.prot", "zebra"}},
		"variable":      {"", []string{"FRAMA_LISTENN=x"}, []string{"FRAMA_LISTENN", "did you mean FRAMA_LISTEN?"}},
		"line":          {"listen = \"x\"\n\n[smtp\n", nil, []string{"frama.toml:3:"}},
		"unquoted":      {"a = 1\nlisten = 127.0.0.1:8600\n", nil, []string{"frama.toml:2:"}},
		"number":        {"[smtp]\nport = \"many\"", nil, []string{"smtp.port"}},
		"duration":      {"[worker]\nlease = \"1 fortnight\"", nil, []string{"worker.lease"}},
		"no duration":   {"[worker]\nlease = \"0s\"", nil, []string{"worker.lease: 0s is less than a second"}},
		"several":       {"session_hours = 0\n[ports]\nmin = 3000\nmax = 2000", nil, []string{"session_hours: 0", "ports: 3000 to 2000"}},
		"two sources":   {"", []string{"FRAMA_EDGE_TOKEN_FILE=/nowhere", "FRAMA_EDGE_TOKEN=x"}, []string{"FRAMA_EDGE_TOKEN and FRAMA_EDGE_TOKEN_FILE"}},
		"secret's file": {"", []string{"FRAMA_EDGE_TOKEN_FILE=/nowhere"}, []string{"edge.token_file", "/nowhere"}},
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
		})
	}
}

// TestConfigLists: lists are written as such in the file, and with commas or spaces in a variable.
func TestConfigLists(t *testing.T) {
	want := []string{"10.0.0.0/8", "fd00::/8"}
	for name, tc := range map[string]struct {
		text    string
		environ []string
	}{
		"file":   {"trusted_proxies = [\"10.0.0.0/8\", \"fd00::/8\"]", nil},
		"commas": {"", []string{"FRAMA_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8"}},
		"spaces": {"", []string{"FRAMA_TRUSTED_PROXIES=10.0.0.0/8 fd00::/8"}},
	} {
		c, err := configured(t, tc.text, tc.environ, nil)
		if err != nil || !reflect.DeepEqual(c.TrustedProxies, want) {
			t.Errorf("%s: %q, %v", name, c.TrustedProxies, err)
		}
	}
}

// TestConfigKeys: every key is explained, and has a variable of its own; what nothing sets is a working default.
func TestConfigKeys(t *testing.T) {
	variables := map[string]string{}
	add := func(variable, key string) {
		if other, taken := variables[variable]; taken {
			t.Errorf("%s is the variable of %s and of %s", variable, other, key)
		}
		variables[variable] = key
	}
	for _, k := range keys() {
		if k.doc == "" {
			t.Errorf("%s is not explained", k.name)
		}
		add(k.variable(), k.name)
		if k.secret {
			add(k.variable()+"_FILE", k.name+"_file")
		}
	}
	if c, err := configured(t, "", nil, nil); err != nil || c.SMTP.Timeout != 30*time.Second || c.Worker.Concurrency != 16 {
		t.Errorf("the defaults are refused or not read: %+v, %v", c, err)
	}
}
