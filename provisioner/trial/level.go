package trial

import "framagit.org/frama/frama/catalogue/page"

// Level is what an application has earned: see page.Levels for what each means. A level needs all below it.
type Level = int

// The levels.
const (
	Nothing Level = iota
	Accepted
	Installs
	Works
	Lasts
	Repeatable
	LeavesNothing
	Suspends
	Upgrades
)

// State is what came of trying a level.
type State string

// States of a level.
const (
	Passed  State = "passed"
	Failed  State = "failed"
	Untried State = "untried" // Reason says why
)

// Outcome is what came of one level.
type Outcome struct {
	Level   Level   `json:"level"`
	Name    string  `json:"name"`
	State   State   `json:"state"`
	Reason  string  `json:"reason,omitempty"` // why it failed or was not tried
	Seconds float64 `json:"seconds,omitempty"`
}

// Result is what came of a trial.
type Result struct {
	App      string    `json:"app"`
	Kind     string    `json:"kind"`
	Version  string    `json:"version"`           // that the catalogue names
	Ran      string    `json:"ran,omitempty"`     // version that was installed; empty when none could be
	Image    string    `json:"image,omitempty"`   // built on this machine, that ran instead of the one the job names
	Level    Level     `json:"level"`             // the highest that it earned
	Retired  bool      `json:"retired,omitempty"` // offered to nobody: nothing is tried
	Outcomes []Outcome `json:"outcomes,omitempty"`
}

// OK says that nothing that could be tried failed.
func (r Result) OK() bool {
	for _, o := range r.Outcomes {
		if o.State == Failed {
			return false
		}
	}
	return true
}

// Stopped is the outcome that ended the climb, and whether there is one.
func (r Result) Stopped() (Outcome, bool) {
	for _, o := range r.Outcomes {
		if o.State != Passed {
			return o, true
		}
	}
	return Outcome{}, false
}

func name(l Level) string { return page.Levels()[l].Name }
