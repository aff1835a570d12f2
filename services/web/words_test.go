package web

import (
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/work"
)

// Keys that templates put together from a state or a name have a message for each there is.
func TestEveryStateHasWords(t *testing.T) {
	l, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"tab_request.all", "tab_space.all"}
	for _, s := range hosting.RequestStates() {
		keys = append(keys, "request_state."+string(s), "tab_request."+string(s), "error.decided_"+string(s))
	}
	for _, s := range hosting.SpaceStates() {
		keys = append(keys, "space_state."+string(s), "tab_space."+string(s))
	}
	for _, h := range []hosting.Health{hosting.HealthUnknown, hosting.HealthPending, hosting.HealthHealthy, hosting.HealthUnhealthy} {
		keys = append(keys, "health."+string(h))
	}
	for _, s := range []work.RunState{work.RunReady, work.RunRunning, work.RunParked, work.RunDone, work.RunWithdrawn} {
		keys = append(keys, "run_state."+string(s))
	}
	for _, s := range []work.StepState{work.StepPending, work.StepRunning, work.StepWaiting, work.StepFailed, work.StepDone} {
		keys = append(keys, "step_state."+string(s))
	}
	for _, name := range control.ProvisionSteps() {
		keys = append(keys, "step."+name)
	}
	for _, f := range fieldSpecs() {
		keys = append(keys, "field."+f.Name, "hint."+f.Name)
	}
	for _, lang := range locale.Languages() {
		keys = append(keys, "language."+lang, "language_name."+lang)
	}
	keys = append(keys, "tab_entry.all")
	for _, s := range control.EntryStates() {
		keys = append(keys, "tab_entry."+s, "entry_state."+s)
	}
	for _, s := range catalogue.Backups() {
		keys = append(keys, "backup."+s)
	}
	for _, m := range append(catalogue.Metrics(), hosting.MetricStorage, hosting.MetricVolumeBytes, hosting.MetricDatabaseBytes, hosting.MetricBucketBytes, hosting.MetricBackupBytes) {
		keys = append(keys, "metric."+m)
	}
	for _, m := range catalogue.Quotas() {
		keys = append(keys, "means."+m)
	}
	keys = append(keys, "level.any")
	for _, level := range hosting.Levels() {
		keys = append(keys, "level."+string(level))
	}
	for _, order := range []string{control.QuotaNear, control.QuotaGrowth, control.QuotaUnused} {
		keys = append(keys, "tab_quota."+order)
	}
	keys = append(keys, "tab_ask.all")
	for _, state := range []hosting.AskState{hosting.AskOpen, hosting.AskGranted, hosting.AskDeclined} {
		keys = append(keys, "ask_state."+string(state), "tab_ask."+string(state))
	}
	for _, tab := range limitTabs("usage") {
		keys = append(keys, tab.Label)
	}
	for _, known := range spans() {
		keys = append(keys, "span."+known.Name)
	}
	for _, resource := range []string{"cpu", "memory", "disk"} {
		keys = append(keys, "capacity."+resource)
	}
	for _, field := range (moreForm{Errors: map[string]string{"want": "x", "plan": "x", "amount": "x", "reason": "x"}}).Wrong() {
		keys = append(keys, "more."+field)
	}
	for _, metric := range []string{hosting.MetricStorage, hosting.MetricAccounts} {
		keys = append(keys, "more.of_"+metric, "more.amount_"+metric, quotaCard{QuotaView: control.QuotaView{Quota: hosting.Quota{Metric: metric}}}.Advice())
	}
	for _, s := range catalogue.Services() {
		keys = append(keys, "need."+s)
	}
	for status := 400; status < 600; status++ {
		keys = append(keys, titleKey(status), httpKey(status))
	}
	for _, key := range keys {
		if !l.Has(key) {
			t.Errorf("%q has no message", key)
		}
	}
}

// Wherever a request stands, its page has a title for each stage, a sentence, and knows whether more will come.
func TestStagesOfARequest(t *testing.T) {
	l, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	space := func(state hosting.SpaceState, run work.RunState) *control.SpaceView {
		steps := []work.Step{{Name: "place", State: work.StepDone}, {Name: "secrets", State: work.StepRunning}}
		return &control.SpaceView{Space: hosting.Space{State: state, ActivatedAt: now}, Runs: []work.Run{{State: run, Steps: steps}}}
	}
	for _, c := range []struct {
		name    string
		request hosting.RequestState
		space   *control.SpaceView
		want    string
		polls   bool
	}{
		{"just sent", hosting.RequestUnconfirmed, nil, "confirm.now", true},
		{"in the queue", hosting.RequestPending, nil, "review.now", true},
		{"refused", hosting.RequestRefused, nil, "review.stopped", false},
		{"waits for room", hosting.RequestWaiting, nil, "room.now", true},
		{"approved", hosting.RequestApproved, space(hosting.SpaceApproved, work.RunReady), "build.now", true},
		{"at work", hosting.RequestApproved, space(hosting.SpaceProvisioning, work.RunRunning), "build.now", true},
		{"parked", hosting.RequestApproved, space(hosting.SpaceFailed, work.RunParked), "build.stopped", true},
		{"open", hosting.RequestApproved, space(hosting.SpaceActive, work.RunDone), "open.done", false},
		{"open, a later run parked", hosting.RequestApproved, space(hosting.SpaceActive, work.RunParked), "open.done", false},
		{"withdrawn", hosting.RequestRefused, nil, "withdrawn.stopped", false},
	} {
		request := hosting.Request{State: c.request}
		switch c.name {
		case "waits for room":
			request.WaitingSince = now
		case "withdrawn":
			request.SpaceID = "1"
		}
		p := newTrackPage(control.Tracking{Request: request, Space: c.space})
		current := p.Current()
		if got := current.Name + "." + current.State; got != c.want || (p.Poll > 0) != c.polls {
			t.Errorf("%s: stage %s, want %s; polls every %d s", c.name, got, c.want, p.Poll)
		}
		if !l.Has("track." + current.Name + "." + current.State) {
			t.Errorf("%s: no words for %s.%s", c.name, current.Name, current.State)
		}
		for _, s := range p.Stages {
			if !l.Has("stage."+s.Name) || !l.Has("stage_state."+s.State) {
				t.Errorf("%s: no words for the stage %s, %s", c.name, s.Name, s.State)
			}
		}
	}
}

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	l := newLimiter(2, func() time.Time { return now })
	for _, c := range []struct {
		ip   string
		wait time.Duration
		ok   bool
	}{
		{"192.0.2.1", 0, true}, {"192.0.2.1", 0, true}, {"192.0.2.1", 30 * time.Second, false}, {"192.0.2.2", 0, true},
		{"2001:db8::1", 0, true}, {"2001:db8::2", 0, true}, {"2001:db8::3", 30 * time.Second, false}, {"2001:db8:0:1::1", 0, true}, {"", 0, true},
	} {
		if wait, ok := l.take(c.ip); ok != c.ok || wait != c.wait {
			t.Errorf("%s: %v %v, want %v %v", c.ip, ok, wait, c.ok, c.wait)
		}
	}
	now = now.Add(30 * time.Second)
	if _, ok := l.take("192.0.2.1"); !ok {
		t.Error("the bucket does not refill")
	}
	off := newLimiter(0, time.Now)
	for range 1000 {
		if _, ok := off.take("192.0.2.1"); !ok {
			t.Fatal("a limit of 0 limits")
		}
	}
}
