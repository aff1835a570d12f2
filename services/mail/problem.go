package mail

import (
	"errors"
	"fmt"
)

// Verdict says what a failed hand-over means for the outbox.
type Verdict int

const (
	// Broken: the connection broke while this mail was handed over. It is tried again later.
	Broken Verdict = iota
	// Down: no mail can be sent now, whichever it is. None is to blame; all are tried again.
	Down
	// Stale: the connection had ended before this mail was begun. A new one may take it at once.
	Stale
	// Deferred: the server does not take this mail now, or frama cannot write it. It is tried again later.
	Deferred
	// Refused: nobody will ever take this mail. It is given up.
	Refused
)

// Problem is a mail that could not be handed over, with what a person can do about it.
type Problem struct {
	Verdict Verdict
	Mend    string // what to do, for the log and frama doctor; options are called by their names in frama.toml
	Err     error
}

func (p *Problem) Error() string { return fmt.Sprintf("%v. %s", p.Err, p.Mend) }

func (p *Problem) Unwrap() error { return p.Err }

// verdictOf returns what err means. An error that does not say is Broken, which loses nothing.
func verdictOf(err error) Verdict {
	var p *Problem
	if errors.As(err, &p) {
		return p.Verdict
	}
	return Broken
}
