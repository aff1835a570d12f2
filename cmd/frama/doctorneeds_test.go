package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// clusterOf answers like a Nomad without ACL whose one node is as docker's default configuration makes it.
func clusterOf(t *testing.T, nodes string) string {
	t.Helper()
	answers := map[string]string{
		"/v1/status/leader":                    `"127.0.0.1:4647"`,
		"/v1/nodes":                            nodes,
		"/v1/operator/scheduler/configuration": `{"SchedulerConfig":{"MemoryOversubscriptionEnabled":false}}`,
		"/v1/agent/self":                       `{"config":{"NodeName":"node-1","Client":{"Enabled":true,"MaxKillTimeout":"30s"}}}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		if !ok {
			http.Error(w, "ACL support disabled", http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// A fresh host whose cluster answers is not ready: everything that offered applications would miss is named at once.
func TestDoctorNamesAllThatApplicationsWouldMiss(t *testing.T) {
	h := newHost(t, "sqlite:"+filepath.Join(t.TempDir(), "frama.db"))
	text, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "[acme]")
	before, _, _ := strings.Cut(string(text), "[nomad]")
	nomad := clusterOf(t, `[{"ID":"1","Name":"node-1","Status":"ready","SchedulingEligibility":"eligible","Address":"192.0.2.1","Version":"1.6.3",
		"Drivers":{"docker":{"Detected":true,"Healthy":true,"Attributes":{"driver.docker.volumes.enabled":"true"}}},
		"NodeResources":{"MinDynamicPort":10000,"MaxDynamicPort":32000}}]`)
	text = []byte(before + tomlTable("nomad", "address", nomad) + "\n[acme]" + rest)
	if err := os.WriteFile(h.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var findings []finding
	said := command(t, h.environ(), exitFailed, "doctor", "--json")
	if err := json.Unmarshal([]byte(said), &findings); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	at := map[string]finding{}
	for _, f := range findings {
		at[f.Name] = f
		if !f.OK && f.Mend == "" {
			t.Errorf("%s has no advice: %s", f.Name, f.Detail)
		}
	}
	for name, words := range map[string][]string{
		"applications":                  {"no postgres (for", "no smtp (for", "nextcloud", "etherpad"},
		"nomad process limit":           {"node-1"},
		"nomad host folders":            {"node-1"},
		"nomad ports":                   {"node-1 gives jobs 10000 to 32000"},
		"nomad memory oversubscription": {"is off", "nextcloud"},
		"nomad max_kill_timeout":        {"is 30s on node-1", "1m0s"},
	} {
		f, found := at[name]
		if !found || f.OK {
			t.Errorf("%s: found %v, %+v", name, found, f)
		}
		for _, word := range words {
			if !strings.Contains(f.Detail, word) {
				t.Errorf("%s does not say %q: %s", name, word, f.Detail)
			}
		}
	}
	for _, name := range []string{"nomad driver docker", "nomad privileged containers"} {
		if !at[name].OK {
			t.Errorf("%s: %+v", name, at[name])
		}
	}
}
