package nomad

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

func TestBegun(t *testing.T) {
	event := func(kind string, at int64) *api.TaskEvent { return &api.TaskEvent{Type: kind, Time: at} }
	alloc := func(tasks ...[]*api.TaskEvent) *api.AllocationListStub {
		a := &api.AllocationListStub{TaskStates: map[string]*api.TaskState{"gone": nil}}
		for n, events := range tasks {
			a.TaskStates[string(rune('a'+n))] = &api.TaskState{Events: events}
		}
		return a
	}
	for _, test := range []struct {
		name  string
		alloc *api.AllocationListStub
		want  int64
	}{
		{"no allocation", nil, 0},
		{"nothing yet", alloc([]*api.TaskEvent{event(api.TaskReceived, 5), nil}), 0},
		{"started", alloc([]*api.TaskEvent{event(api.TaskReceived, 5), event(api.TaskStarted, 6)}), 6},
		{"to be started again, and still the old one", alloc([]*api.TaskEvent{event(api.TaskStarted, 6), event(api.TaskRestartSignal, 7)}), 6},
		{"started again", alloc([]*api.TaskEvent{event(api.TaskStarted, 6), event(api.TaskRestartSignal, 7), event(api.TaskTerminated, 8),
			event(api.TaskStarted, 9)}), 9},
		{"signalled", alloc([]*api.TaskEvent{event(api.TaskStarted, 6), event(api.TaskSignaling, 10)}), 10},
		{"the latest of several tasks", alloc([]*api.TaskEvent{event(api.TaskStarted, 6)}, []*api.TaskEvent{event(api.TaskStarted, 4)}), 6},
	} {
		want := time.Time{}
		if test.want > 0 {
			want = time.Unix(0, test.want).UTC()
		}
		if got := begun(test.alloc); !got.Equal(want) {
			t.Errorf("%s: %s, want %s", test.name, got, want)
		}
	}
}
