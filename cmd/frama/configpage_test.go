package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

const configurationPage = "../../docs/operate/configuration.md"

// TestTheConfigurationPageIsCurrent: the page has a line for each key, as frama config keys --json tells of it.
// FRAMA_TEST_UPDATE=1 writes the table.
func TestTheConfigurationPageIsCurrent(t *testing.T) {
	text, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| key | variable | default | meaning |\n|---|---|---|---|\n"
	before, rest, found := strings.Cut(string(text), head)
	table, after, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatal("the page has no table of keys")
	}
	var keys []struct{ Key, Variable, Default, Doc string }
	if err := json.Unmarshal([]byte(command(t, nil, exitOK, "config", "keys", "--json")), &keys); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, k := range keys {
		fallback := k.Default
		if fallback != "" {
			fallback = "`" + fallback + "`"
		}
		fmt.Fprintf(&want, "| `%s` | `%s` | %s | %s |\n", k.Key, k.Variable, fallback, strings.ReplaceAll(k.Doc, "<", "&lt;"))
	}
	current := strings.ReplaceAll(strings.TrimSuffix(want.String(), "\n"), "| `` |", "|  |")
	if table == current {
		return
	}
	if os.Getenv("FRAMA_TEST_UPDATE") == "" {
		t.Fatalf("%s is not what frama config keys says: FRAMA_TEST_UPDATE=1 go test ./cmd/frama -run ConfigurationPage", configurationPage)
	}
	if err := os.WriteFile(configurationPage, []byte(before+head+current+"\n\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
