package work_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"framagit.org/frama/frama/services/work"
)

func TestCurrentStep(t *testing.T) {
	run := work.Run{Steps: []work.Step{{Seq: 0, State: work.StepDone}, {Seq: 1, State: work.StepFailed}, {Seq: 2, State: work.StepPending}}}
	if s, ok := run.Current(); !ok || s.Seq != 1 {
		t.Errorf("current step %d, %v, want 1", s.Seq, ok)
	}
	if _, ok := (work.Run{Steps: run.Steps[:1]}).Current(); ok {
		t.Error("a run whose steps are all done has a current one")
	}
}

func TestBackoffGrowsToFiveMinutes(t *testing.T) {
	last := time.Duration(0)
	for n := range 100 {
		pause := work.Backoff(n)
		if pause < last || pause < time.Second || pause > 5*time.Minute {
			t.Fatalf("pause %d is %s, the one before %s", n, pause, last)
		}
		last = pause
	}
	if work.Backoff(0) != time.Second || work.Backoff(3) != 8*time.Second || last != 5*time.Minute {
		t.Errorf("pauses %s, %s, …, %s", work.Backoff(0), work.Backoff(3), last)
	}
}

func TestSpecialAnswersReadWell(t *testing.T) {
	if got := work.Later(time.Second, "waits for DNS").Error(); got != "come back in 1s: waits for DNS" {
		t.Error(got)
	}
	err := fmt.Errorf("step: %w", work.Permanent(io.EOF))
	if !errors.Is(err, io.EOF) || err.Error() != "step: EOF" {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestDefinitionNames(t *testing.T) {
	d := work.Definition{Steps: []work.Named{{Name: "b"}, {Name: "a"}}}
	if got := fmt.Sprint(d.Names()); got != "[b a]" {
		t.Error(got)
	}
}
