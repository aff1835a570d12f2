package provisioner_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// pad is what the pads of the plan starter reserve.
var pad = hosting.Resources{CPU: 100, Memory: 128, Disk: 100}

// node is a node with room for n pads, and what allocations hold there.
func node(name string, n int, held ...provisioner.Held) provisioner.Node {
	return provisioner.Node{ID: name, Name: name, Held: held,
		Total: hosting.Resources{CPU: n * pad.CPU, Memory: n * pad.Memory, Disk: n * pad.Disk}}
}

// placedOn says which node each space is on, "" for none.
func (w *world) placedOn(names ...string) (nodes []string) {
	w.t.Helper()
	for _, name := range names {
		nodes = append(nodes, w.space(name).Instances[0].Node)
	}
	return nodes
}

// What the cluster says of its nodes is old when a space is placed: others are placed meanwhile. None of them is given what
// another has.
func TestPlacesThatRaceForTheLastRoomOfANode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorldOn(t, dsn, "pads")
		const spaces, room = 6, 3
		w.cluster.nodes = []provisioner.Node{node("n1", 2), node("n2", 1)}
		var names []string
		var all sync.WaitGroup
		start := make(chan struct{})
		for n := range spaces {
			name := fmt.Sprint("asso-", n)
			id := w.approved(name, "pads").ID
			names = append(names, name)
			worker := &work.Worker{Name: name, Journal: w.store, Definitions: w.p.Definitions(), Spaces: []string{id}, Now: time.Now, Log: w.p.Log}
			all.Go(func() {
				<-start
				if _, err := worker.Once(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		all.Wait()
		on := map[string]int{}
		for i, at := range w.placedOn(names...) {
			on[at]++
			if v := w.space(names[i]); at == "" && (step(v).Name != "place" || !strings.Contains(step(v).Message, "no node has room")) {
				t.Errorf("who found no room is at %+v", step(v))
			}
		}
		if !reflect.DeepEqual(on, map[string]int{"n1": 2, "n2": 1, "": spaces - room}) {
			t.Errorf("placed: %v", on)
		}
		// What waits goes on once there is room.
		w.cluster.nodes[1] = node("n2", 4)
		for _, name := range names {
			if v := w.work(name); v.Space.State != hosting.SpaceActive && step(v).Name != "" {
				t.Errorf("%s is %s at %+v", name, v.Space.State, step(v))
			}
		}
	})
}

// An instance counts once, whether its job runs or not, and what is not frama's counts as it is.
func TestWhatNodesHaveLeft(t *testing.T) {
	w := newWorld(t, "pads")
	first := w.approved("premier", "pads")
	w.cluster.nodes = []provisioner.Node{node("n1", 2)}
	w.work("premier")
	running := provisioner.Held{Job: w.space("premier").Instances[0].Job, Resources: hosting.Resources{CPU: pad.CPU, Memory: pad.Memory}}
	stranger := provisioner.Held{Job: "postgres", Resources: pad}
	w.approved("deuxieme", "pads")

	w.cluster.nodes = []provisioner.Node{node("n1", 2, running, stranger)}
	if v := w.work("deuxieme"); step(v).Name != "place" {
		t.Fatalf("beside a stranger there is no room, and it is at %+v", step(v))
	}
	seen, err := w.p.Capacity(t.Context())
	if err != nil || seen.Nodes != 1 || seen.Allocatable.CPU != 200 || seen.Used.CPU != 200 || seen.Foreign.CPU != 100 || seen.Foreign.Memory != 128 ||
		seen.Foreign.Disk != 100 || seen.Cluster != "main" || seen.SeenAt.IsZero() {
		t.Errorf("the cluster: %+v, %v", seen, err)
	}
	// The scratch space of its own jobs is held too, and promised to nobody.
	running.Resources.Disk = 30
	w.cluster.nodes = []provisioner.Node{node("n1", 2, running)}
	if v := w.work("deuxieme"); step(v).Name != "place" || !strings.Contains(step(v).Message, "disk") {
		t.Fatalf("without disk for it, it is at %+v", step(v))
	}
	running.Resources.Disk = 0
	w.cluster.nodes = []provisioner.Node{node("n1", 2, running)}
	if v := w.work("deuxieme"); v.Space.State != hosting.SpaceActive {
		t.Fatalf("there is room for the second, and it is at %+v", step(v))
	}
	if first.Cluster != "main" || !slices.Equal(w.placedOn("premier", "deuxieme"), []string{"n1", "n1"}) {
		t.Errorf("placed: %v", w.placedOn("premier", "deuxieme"))
	}
}

func TestOvercommitOnANode(t *testing.T) {
	w := newWorld(t, "pads")
	w.p.Options.Overcommit = hosting.Overcommit{CPU: 4, Memory: 1.5}
	three := node("n1", 2)
	three.Total.Disk = 3 * pad.Disk // is never promised twice
	w.cluster.nodes = []provisioner.Node{three}
	for _, name := range []string{"premier", "deuxieme", "troisieme", "quatrieme"} {
		w.approved(name, "pads")
		w.work(name)
	}
	if got := w.placedOn("premier", "deuxieme", "troisieme", "quatrieme"); !slices.Equal(got, []string{"n1", "n1", "n1", ""}) {
		t.Errorf("placed: %v", got)
	}
	for _, j := range w.cluster.jobs {
		if j.CPU != 25 || j.Memory != 86 || j.MemoryMax != 128 || j.Variables["cpu"] != 25 || j.Variables["memory"] != 86 || j.Variables["memory_max"] != 128 {
			t.Errorf("%s asks for %d MHz, %d to %d MiB: %v", j.ID, j.CPU, j.Memory, j.MemoryMax, j.Variables)
		}
	}
}

// Another plan makes volumes and jobs larger, once the node has room, and leaves the rest of the space as it is.
func TestResize(t *testing.T) {
	w := newWorld(t, "pads")
	w.approved("lilas", "pads")
	w.cluster.nodes = []provisioner.Node{node("n1", 1)}
	w.work("lilas")
	before := w.space("lilas").Instances[0]
	if before.Growth.VolumeMiB != 100 || w.cluster.sizes[before.Volume] != 100 {
		t.Fatalf("the volume has %d MiB", before.Growth.VolumeMiB)
	}
	if _, err := w.ChangePlan(t.Context(), operator, "lilas", "large"); err != nil {
		t.Fatal(err)
	}
	delete(w.cluster.secrets, before.Job) // as the keys that its entry of the catalogue got since
	held := provisioner.Held{Job: before.Job, Resources: hosting.Resources{CPU: 100, Memory: 128}}
	w.cluster.nodes = []provisioner.Node{node("n1", 1, held)}
	v := w.work("lilas")
	if s := step(v); s.Name != "room" || !strings.Contains(s.Message, "300 MHz of CPU, 384 MiB of memory, 300 MiB of disk is missing") || v.Space.State != hosting.SpaceActive {
		t.Fatalf("without room it is at %+v", s)
	}
	w.cluster.nodes = []provisioner.Node{node("n1", 10, held)}
	v = w.work("lilas")
	after := v.Instances[0]
	if v.LastRun().State != work.RunDone || v.LastRun().Kind != control.RunResize || v.Space.State != hosting.SpaceActive {
		t.Fatalf("%+v", v.LastRun())
	}
	job := w.cluster.jobs[len(w.cluster.jobs)-1]
	if job.CPU != 400 || job.Memory != 512 || job.MemoryMax != 0 || job.Variables["plan"] != "large" || w.cluster.sizes[before.Volume] != 400 ||
		after.Growth.VolumeMiB != 400 {
		t.Errorf("job %+v, volumes %v", job, w.cluster.sizes)
	}
	if w.cluster.secrets[before.Job] == nil {
		t.Error("the job as it is now misses the keys that it reads")
	}
	if after.Port != before.Port || after.Node != before.Node || after.Address != before.Address {
		t.Errorf("it moved from %+v to %+v", before.Instance, after.Instance)
	}

	// To become smaller needs no room, and the node is not asked for any.
	err := w.store.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.AddMissingSeries(func(int) time.Time { return tx.Now }, 10); err != nil {
			return err
		}
		return tx.AddMeasurements([]hosting.Measurement{{InstanceID: after.ID, SpaceID: v.Space.ID, At: tx.Now,
			Readings: []hosting.Reading{{Metric: hosting.MetricVolumeBytes, Value: 1 << 20}}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ChangePlan(t.Context(), operator, "lilas", "standard"); err != nil {
		t.Fatal(err)
	}
	held.Resources = hosting.Resources{CPU: 400, Memory: 512}
	w.cluster.nodes = []provisioner.Node{node("n1", 1, held)}
	if v = w.work("lilas"); v.LastRun().State != work.RunDone || w.cluster.sizes[before.Volume] != 200 {
		t.Errorf("smaller: %+v, volumes %v", step(v), w.cluster.sizes)
	}
}
