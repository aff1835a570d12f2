//go:build e2e

package nomad

import (
	"strings"
	"testing"
	"time"
)

// A real agent with its default ports, oversubscription and kill timeout lacks what applications need.
func TestDoctorComparesARealAgentWithNeeds(t *testing.T) {
	operator := testAgent.client.Operator()
	before, _, err := operator.SchedulerGetConfiguration(nil)
	if err != nil {
		t.Fatal(err)
	}
	set := func(on bool) {
		config := *before.SchedulerConfig
		config.MemoryOversubscriptionEnabled = on
		if _, _, err := operator.SchedulerSetConfiguration(&config, nil); err != nil {
			t.Fatal(err)
		}
	}
	defer set(before.SchedulerConfig.MemoryOversubscriptionEnabled)
	set(false)
	needs := Needs{Drivers: []string{"exec", "raw_exec", "unknown"}, MemoryMax: []string{"large"}, KillTimeout: time.Minute, Slowest: "slow",
		PortMin: 31999, PortMax: 32999}
	look := func(c *Cluster, n Needs) map[string]Check {
		found := map[string]Check{}
		for _, check := range c.DoctorNeeds(t.Context(), n) {
			found[check.Name] = check
		}
		return found
	}
	wrong := func(got map[string]Check, name string, words ...string) {
		t.Helper()
		check, there := got[name]
		for _, word := range words {
			if !there || check.OK || check.Mend == "" || !strings.Contains(check.Detail, word) {
				t.Errorf("%s: want %q in %+v", name, word, check)
			}
		}
	}
	root := cluster(t, func(o *Options) { o.Token = Static(testAgent.root) })
	got := look(root, needs)
	wrong(got, "driver unknown", "not found on")
	wrong(got, "ports", "gives jobs 20000 to 32000")
	wrong(got, "memory oversubscription", "is off", "large may need more")
	wrong(got, "max_kill_timeout", "is 30s on", "slow asks for 1m0s")
	if !got["driver exec"].OK || !got["driver raw_exec"].OK {
		t.Errorf("drivers that are healthy: %+v, %+v", got["driver exec"], got["driver raw_exec"])
	}

	// frama's own token may not read the agent's configuration: it says what to look for, and does not guess.
	set(true)
	needs = Needs{Drivers: []string{"exec"}, MemoryMax: []string{"large"}, KillTimeout: time.Minute, Slowest: "slow", PortMin: 10000, PortMax: 19999}
	for name, check := range look(cluster(t), needs) {
		if !check.OK {
			t.Errorf("%s: %+v", name, check)
		}
		if name == "max_kill_timeout" && !strings.Contains(check.Detail, "give every client at least that") {
			t.Errorf("%+v", check)
		}
	}
	weak, err := testAgent.newToken("no-nodes", `namespace "frama" { capabilities = ["parse-job"] }`)
	if err != nil {
		t.Fatal(err)
	}
	wrong(look(cluster(t, func(o *Options) { o.Token = Static(weak) }), needs), "nodes", "")

	nodes, err := cluster(t).Nodes(t.Context())
	if err != nil || len(nodes) != 1 || !nodes[0].Runs([]string{"exec", "raw_exec"}) || nodes[0].Runs([]string{"unknown"}) {
		t.Errorf("%+v, %v", nodes, err)
	}
}
