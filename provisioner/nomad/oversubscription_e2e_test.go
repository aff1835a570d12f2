//go:build e2e

package nomad

import (
	"strings"
	"testing"
)

// Where more memory is promised than there is, jobs must be allowed to grow beyond what they ask for.
func TestDoctorLooksForMemoryOversubscription(t *testing.T) {
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
	check := func(c *Cluster) (found Check) {
		for _, one := range c.Doctor(t.Context()) {
			if one.Name == "memory oversubscription" {
				found = one
			}
		}
		return found
	}
	wanted := func(o *Options) { o.Oversubscribed = true }
	set(false)
	if got := check(cluster(t, wanted)); got.OK || !strings.Contains(got.Mend, "-memory-oversubscription=true") {
		t.Errorf("it is off: %+v", got)
	}
	if got := check(cluster(t)); got.Name != "" {
		t.Errorf("nobody promises more than there is: %+v", got)
	}
	set(true)
	if got := check(cluster(t, wanted)); !got.OK {
		t.Errorf("it is on: %+v", got)
	}
	weak, err := testAgent.newToken("no-operator", `namespace "frama" { capabilities = ["parse-job"] }`)
	if err != nil {
		t.Fatal(err)
	}
	if got := check(cluster(t, wanted, func(o *Options) { o.Token = Static(weak) })); got.OK || !strings.Contains(got.Mend, policyFile) {
		t.Errorf("the token may not look: %+v", got)
	}
}
