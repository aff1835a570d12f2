package retain

import (
	"context"
	"errors"
)

// At has step called with the name of each step that is done. A test that panics there ends frama at that moment.
func (r *Retainer) At(step func(name string)) { r.step = step }

// FileName is the name of a file that people's words become.
var FileName = fileName

// Serially is Once in the caller's own goroutine, so that it can be ended there.
func (r *Retainer) Serially(ctx context.Context, ask Ask) (reports []Report, err error) {
	all, err := r.due(ctx, ask)
	for _, i := range all {
		report, looked, failed := r.look(ctx, i, ask)
		if looked {
			reports = append(reports, report)
		}
		err = errors.Join(err, failed)
	}
	return reports, err
}
