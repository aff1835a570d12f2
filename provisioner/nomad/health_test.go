package nomad

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/hosting"

	"github.com/hashicorp/nomad/api"
)

func TestHealthIsSummarised(t *testing.T) {
	job := &api.Job{ID: ptr("x"), Version: ptr(uint64(3)), CreateIndex: ptr(uint64(10))}
	deployment := func(status string, version uint64) *api.Deployment {
		return &api.Deployment{Status: status, JobVersion: version, JobCreateIndex: 10, StatusDescription: "Deployment " + status}
	}
	alloc := func(client, desired string, version uint64, events ...*api.TaskEvent) *api.AllocationListStub {
		return &api.AllocationListStub{ClientStatus: client, DesiredStatus: desired, JobVersion: version, CreateIndex: version,
			TaskStates: map[string]*api.TaskState{"app": {Events: events}}}
	}
	list := func(a ...*api.AllocationListStub) []*api.AllocationListStub { return a }
	passed := alloc("running", "run", 3)
	passed.DeploymentStatus = &api.AllocDeploymentStatus{Healthy: ptr(true)}
	crash := &api.TaskEvent{Type: api.TaskTerminated, DisplayMessage: "Exit Code: 1,\nExit Message: \"no\"" + strings.Repeat("x", 400)}
	noise := &api.TaskEvent{Type: api.TaskReceived, DisplayMessage: "Task received by client"}
	blocked := []*api.Evaluation{
		{ID: "e1", Status: "complete", BlockedEval: "e2", FailedTGAllocs: map[string]*api.AllocationMetric{"app": {
			DimensionExhausted: map[string]int{"memory": 2}, ResourcesExhausted: map[string]*api.Resources{"app": {MemoryMB: ptr(256)}}}}},
		{ID: "e2", Status: "blocked"},
	}
	paused := alloc("pending", "run", 3, crash, &api.TaskEvent{Type: api.TaskRestarting, RestartReason: restartDelay})
	paused.TaskStates["app"].State = "pending"
	half := alloc("running", "run", 3, paused.TaskStates["app"].Events...)
	half.TaskStates["app"].State = "pending"
	half.TaskStates["other"] = &api.TaskState{State: "running"}
	group := func(unlimited bool) *api.Job {
		return &api.Job{ID: job.ID, Version: job.Version, CreateIndex: job.CreateIndex, TaskGroups: []*api.TaskGroup{
			{Name: ptr("app"), ReschedulePolicy: &api.ReschedulePolicy{Attempts: ptr(0), Unlimited: ptr(unlimited)}}}}
	}
	noDisk := alloc("failed", "run", 3, &api.TaskEvent{Type: api.TaskSetupFailure, DisplayMessage: "is its disk mounted?"})
	noDisk.TaskGroup = "app"
	cases := map[string]struct {
		seen  sighting
		state provisioner.JobState
		says  string
	}{
		"out of tries":              {sighting{job: job, deployment: deployment("running", 3), allocs: list(paused)}, provisioner.JobFailed, "Exit Code: 1"},
		"out of tries and late":     {sighting{job: job, deployment: deployment("failed", 3), allocs: list(paused)}, provisioner.JobFailed, "Exit Code: 1"},
		"out of tries, once worked": {sighting{job: job, deployment: deployment("successful", 3), allocs: list(paused)}, provisioner.JobPending, "starting again"},
		"no disk, once worked":      {sighting{job: group(false), deployment: deployment("successful", 3), allocs: list(noDisk)}, provisioner.JobFailed, "is its disk mounted?"},
		"no disk, is rescheduled":   {sighting{job: group(true), deployment: deployment("successful", 3), allocs: list(noDisk)}, provisioner.JobPending, "starting again"},
		"one of two out of tries":   {sighting{job: job, deployment: deployment("successful", 3), allocs: list(half)}, provisioner.JobPending, "Exit Code: 1"},
		"missing":                   {sighting{}, provisioner.JobMissing, "not registered"},
		"stopped":                   {sighting{job: &api.Job{Stop: ptr(true)}}, provisioner.JobMissing, "stopped"},
		"healthy":                   {sighting{job: job, deployment: deployment("successful", 3), allocs: list(alloc("running", "run", 3))}, provisioner.JobHealthy, ""},
		"old deployment":            {sighting{job: job, deployment: deployment("successful", 2), allocs: list(alloc("running", "run", 2))}, provisioner.JobPending, "placed"},
		"earlier job of that ID":    {sighting{job: job, deployment: &api.Deployment{Status: "successful", JobVersion: 3, JobCreateIndex: 4}}, provisioner.JobPending, "placed"},
		"running, not yet sure":     {sighting{job: job, deployment: deployment("running", 3), allocs: list(alloc("running", "run", 3))}, provisioner.JobPending, "running"},
		"without deployment":        {sighting{job: job, allocs: list(passed)}, provisioner.JobHealthy, ""},
		"unchecked":                 {sighting{job: job, allocs: list(alloc("running", "run", 3))}, provisioner.JobPending, "running"},
		"failed":                    {sighting{job: job, deployment: deployment("failed", 3), allocs: list(alloc("failed", "run", 3, crash, noise))}, provisioner.JobFailed, "Exit Code: 1, Exit Message"},
		"crashed after it worked":   {sighting{job: job, deployment: deployment("successful", 3), allocs: list(alloc("pending", "run", 3, crash))}, provisioner.JobPending, "starting again"},
		"blocked":                   {sighting{job: job, evals: blocked}, provisioner.JobBlocked, "memory exhausted on 2 nodes (needs 256 MiB)"},
		"blocked, no reason":        {sighting{job: job, evals: blocked[1:]}, provisioner.JobBlocked, "no node can take it"},
	}
	for name, c := range cases {
		h := c.seen.health()
		if h.State != c.state || !strings.Contains(h.Reason, c.says) || len(h.Reason) > 500 {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// A failed image pull is what people need to read, and not that Nomad starts the task again.
func TestTheReasonComesFirst(t *testing.T) {
	event := func(kind, message string) *api.TaskEvent { return &api.TaskEvent{Type: kind, DisplayMessage: message} }
	pull := event(api.TaskDriverFailure, "Failed to pull docker.io/x/y:1.2.3: no such host")
	restart, started := event(api.TaskRestarting, "Task restarting in 5s"), event(api.TaskStarted, "Task started by client")
	exit, killing := event(api.TaskTerminated, "Exit Code: 1"), event("Killing", "Sent interrupt")
	alloc := func(index uint64, tasks map[string][]*api.TaskEvent) *api.AllocationListStub {
		a := &api.AllocationListStub{CreateIndex: index, ClientStatus: "pending", DesiredStatus: "run", TaskStates: map[string]*api.TaskState{}}
		for name, events := range tasks {
			a.TaskStates[name] = &api.TaskState{Events: events}
		}
		return a
	}
	type tasks = map[string][]*api.TaskEvent
	for name, c := range map[string]struct {
		allocs []*api.AllocationListStub
		want   string
	}{
		"pull that is tried again":      {[]*api.AllocationListStub{alloc(1, tasks{"app": {pull, restart, pull, restart}})}, "task app: Driver Failure: Failed to pull docker.io/x/y:1.2.3: no such host"},
		"pull that is given up":         {[]*api.AllocationListStub{alloc(1, tasks{"app": {pull, event(api.TaskNotRestarting, "Exceeded allowed attempts")}})}, "task app: Driver Failure: Failed to pull docker.io/x/y:1.2.3: no such host"},
		"a crash after an earlier pull": {[]*api.AllocationListStub{alloc(1, tasks{"app": {pull, restart, started, exit, restart}})}, "task app: Terminated: Exit Code: 1"},
		"the task that failed first":    {[]*api.AllocationListStub{alloc(1, tasks{"app": {pull, restart}, "a-cache": {started, killing}})}, "task app: Driver Failure: Failed to pull docker.io/x/y:1.2.3: no such host; task a-cache: Killing: Sent interrupt"},
		"a fresh allocation":            {[]*api.AllocationListStub{alloc(1, tasks{"app": {pull}}), alloc(2, tasks{"app": {event(api.TaskReceived, "")}})}, "the allocation before: task app: Driver Failure: Failed to pull docker.io/x/y:1.2.3: no such host"},
		"nothing yet":                   {[]*api.AllocationListStub{alloc(1, tasks{"app": {event(api.TaskReceived, "")}})}, ""},
	} {
		s := sighting{job: &api.Job{Version: ptr(uint64(0))}, allocs: c.allocs}
		if got := s.cause(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	d := &api.Deployment{Status: "failed", StatusDescription: "Failed due to progress deadline"}
	failed := alloc(1, tasks{"app": {pull, restart}})
	failed.ClientStatus = "failed"
	h := sighting{job: &api.Job{Version: ptr(uint64(0)), CreateIndex: ptr(uint64(0))}, deployment: d, allocs: []*api.AllocationListStub{failed}}.health()
	if h.State != provisioner.JobFailed || !strings.HasPrefix(h.Reason, "task app: Driver Failure") || !strings.HasSuffix(h.Reason, "progress deadline") {
		t.Errorf("%+v", h)
	}
}

func TestPlacementFailures(t *testing.T) {
	cases := map[string]*api.AllocationMetric{
		"cpu exhausted on 1 node (needs 500 MHz)": {DimensionExhausted: map[string]int{"cpu": 1}, ResourcesExhausted: map[string]*api.Resources{"t": {CPU: ptr(500)}}},
		"missing drivers excludes 3 nodes":        {NodesEvaluated: 3, ConstraintFiltered: map[string]int{"missing drivers": 3}},
		"no node is ready and eligible":           {},
		"4 nodes looked at, none fits":            {NodesEvaluated: 4},
		"another job of the node is being":        {DimensionExhausted: map[string]int{replacing: 1}},
	}
	for want, m := range cases {
		if got := placementFailure(map[string]*api.AllocationMetric{"app": m}); !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := placementFailure(nil); got != "" {
		t.Error(got)
	}
}

func TestNodesWithWhoHoldsWhat(t *testing.T) {
	stub := func(id, status, eligible string) *api.NodeListStub {
		return &api.NodeListStub{ID: id, Status: status, SchedulingEligibility: eligible, Address: "10.0.0.1",
			NodeResources:     &api.NodeResources{Cpu: api.NodeCpuResources{CpuShares: 1000}, Memory: api.NodeMemoryResources{MemoryMB: 2000}, Disk: api.NodeDiskResources{DiskMB: 3000}},
			ReservedResources: &api.NodeReservedResources{Cpu: api.NodeReservedCpuResources{CpuShares: 100}, Memory: api.NodeReservedMemoryResources{MemoryMB: 200}, Networks: api.NodeReservedNetworkResources{ReservedHostPorts: "22,80-81,x"}}}
	}
	ready := stub("a", "ready", "eligible")
	ready.Drivers = map[string]*api.DriverInfo{"exec": {Detected: true, Healthy: true}, "docker": {Detected: true}, "java": {Healthy: true},
		"mock": nil, "raw_exec": {Detected: true, Healthy: true}}
	drained := stub("d", "ready", "eligible")
	drained.Drain = true
	alloc := &api.AllocationListStub{NodeID: "a", JobID: "amis-etherpad", Namespace: "frama", AllocatedResources: &api.AllocatedResources{
		Tasks:  map[string]*api.AllocatedTaskResources{"x": {Cpu: api.AllocatedCpuResources{CpuShares: 50}, Memory: api.AllocatedMemoryResources{MemoryMB: 60}}},
		Shared: api.AllocatedSharedResources{DiskMB: 300, Ports: []api.PortMapping{{Value: 20001}, {Value: 80}}}}}
	stranger := *alloc
	stranger.Namespace = "default"
	got := nodesOf([]*api.NodeListStub{ready, stub("b", "down", "eligible"), stub("c", "ready", "ineligible"), drained},
		[]*api.AllocationListStub{alloc, &stranger, {NodeID: "gone"}}, "frama")
	one := hosting.Resources{CPU: 50, Memory: 60, Disk: 300}
	want := []provisioner.Node{{ID: "a", Drivers: []string{"exec", "raw_exec"}, Total: hosting.Resources{CPU: 900, Memory: 1800, Disk: 3000},
		Held: []provisioner.Held{{Job: "amis-etherpad", Resources: one}, {Resources: one}}, UsedPorts: []int{22, 80, 81, 20001}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Calls are repeated where that can help, and only there.
func TestCallsAreRepeatedWhileTheFailurePasses(t *testing.T) {
	cases := map[string]struct {
		code  int
		body  string
		tries int32
		is    error
		later bool
	}{
		"leader lost":     {500, "rpc error: EOF", attempts, nil, true},
		"no leader":       {500, "No cluster leader", attempts, nil, true},
		"too many":        {429, "", attempts, nil, true},
		"gateway":         {503, "", attempts, nil, true},
		"invalid job":     {500, "1 error occurred: Missing job datacenters", 1, nil, false},
		"denied":          {403, "Permission denied", 1, ErrDenied, true},
		"lost comparison": {500, api.RegisterEnforceIndexErrPrefix + " 0: job exists", 1, nil, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tries.Add(1)
				w.WriteHeader(c.code)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			cluster, err := New(Options{Address: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			err = cluster.Ping(t.Context())
			var later *provisioner.TemporaryError
			if tries.Load() != c.tries || errors.As(err, &later) != c.later || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%d tries: %v", tries.Load(), err)
			}
		})
	}
}

func TestSilenceEndsByDeadline(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // accepts and never answers
	cluster, err := New(Options{Address: "http://" + listener.Addr().String(), Timeout: 50e6})
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Ping(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{}, {Address: "127.0.0.1:4646"}, {Address: "https://x:4646", TLS: TLS{CAFile: "/nowhere.pem"}}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "nomad.") {
			t.Error(o, err)
		}
	}
	t.Setenv("NOMAD_TOKEN", "from-the-environment")
	t.Setenv("NOMAD_ADDR", "http://elsewhere.invalid:1")
	var seen string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("X-Nomad-Token") + "|" + r.URL.Query().Get("namespace")
		_, _ = io.WriteString(w, `"leader"`)
	}))
	defer server.Close()
	cluster, err := New(Options{Address: server.URL, Token: Static("mine")})
	if err != nil || cluster.Ping(t.Context()) != nil || seen != "mine|frama" {
		t.Error(seen, err)
	}
}

func TestParseAnswersAreTakenApart(t *testing.T) {
	body := "Failed to parse job: input.hcl:3,5-13: Unsupported argument; An argument named \"nonsense\" is not expected here., and 1 other diagnostic(s)\ninput.hcl:3,5-13: Unsupported argument; x"
	found := parseFindings(body, "")
	if len(found) != 2 || found[0].Line != 3 || found[0].Column != 5 {
		t.Errorf("%+v", found)
	}
	found = parseFindings(`Failed to parse job: <nil>: Unset variable "port"; A used variable must be set`, "variable \"host\" {}\n\nvariable \"port\" {}\n")
	if len(found) != 1 || found[0].Line != 3 || strings.Contains(found[0].Message, "nil") {
		t.Errorf("%+v", found)
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"1.7.7", "1.8.0", true}, {"1.11.0", "1.8.0", false}, {"1.8.0", "1.8.0", false}, {"1.11.0-dev", "1.10.5", false}, {"2.0.1", "1.10.0", false}, {"v1.6.3+ent", "1.8.0", true}} {
		if older(c.a, c.b) != c.want {
			t.Error(c)
		}
	}
}

func TestKeyedMutexForgetsKeys(t *testing.T) {
	var k keyedMutex
	for i := range 3 {
		k.lock(fmt.Sprint(i))()
	}
	if len(k.locks) != 0 {
		t.Error(k.locks)
	}
}
