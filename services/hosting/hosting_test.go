package hosting_test

import (
	"testing"

	"framagit.org/frama/frama/services/hosting"
)

func TestResourcesAddUpWithTheirLimits(t *testing.T) {
	small := hosting.Resources{CPU: 100, Memory: 64, Disk: 10}
	large := hosting.Resources{CPU: 200, Memory: 128, MemoryMax: 512, Disk: 20}
	if small.Limit() != 64 || large.Limit() != 512 {
		t.Fatalf("limits are %d and %d, want 64 (no maximum of its own) and 512", small.Limit(), large.Limit())
	}
	want := hosting.Resources{CPU: 300, Memory: 192, MemoryMax: 576, Disk: 30}
	if got := small.Plus(large); got != want {
		t.Errorf("%+v plus %+v is %+v, want %+v", small, large, got, want)
	}
	if small.Plus(large) != large.Plus(small) {
		t.Error("the order of a sum matters")
	}
}
