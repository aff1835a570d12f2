package nomad

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Classes of failure that callers and tests ask for with errors.Is.
var (
	ErrUnreachable = errors.New("nomad is unreachable")
	ErrDenied      = errors.New("nomad denied it")
	ErrNoCapacity  = errors.New("no room on the cluster")
	ErrForeign     = errors.New("not frama's")
)

// policyFile is what an operator applies so that frama's token may do all it needs.
const policyFile = "deploy/nomad-acl/frama.policy.hcl"

const attempts = 4

// call runs one idempotent call, each try with a deadline of its own, and again with growing, jittered pauses while
// the failure looks passing. doing completes "could not …" in messages. The error is ready for people: a
// provisioner.TemporaryError where waiting can help.
func (c *Cluster) call(ctx context.Context, doing string, f func(ctx context.Context) error) error {
	pause := 100 * time.Millisecond
	for try := 1; ; try++ {
		err := c.once(ctx, f)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
		if try == attempts || !passing(err) {
			return c.explain(doing, err)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		case <-timer.C:
		}
		pause *= 3
	}
}

func (c *Cluster) once(ctx context.Context, f func(ctx context.Context) error) error {
	return c.within(ctx, c.options.Timeout, f)
}

// within runs a call that may take longer than others, since Nomad answers it when something is done.
func (c *Cluster) within(ctx context.Context, limit time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

// passing says whether the same call may succeed a moment later: nothing answered, too many requests, or servers that
// just changed their leader (which Nomad reports as 500, not 503).
func passing(err error) bool {
	if isNetwork(err) {
		return true
	}
	switch code := status(err); {
	case code == http.StatusTooManyRequests, code >= 502:
		return true
	case code == http.StatusInternalServerError:
		return hasAny(err.Error(), "EOF", "failed to get conn", "No cluster leader", "no cluster leader", "leadership",
			"No path to region", "No path to node", "connection refused", "connection reset", "i/o timeout", "rpc error: timeout")
	}
	return false
}

// explain turns a failure into what an operator reads.
func (c *Cluster) explain(doing string, err error) error {
	switch code := status(err); {
	case isSlow(err):
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("Nomad does not answer at %s in time (could not %s): see whether it is overloaded or stuck, or correct "+
				"nomad.address", c.options.Address, doing),
			After: 10 * time.Second, Err: fmt.Errorf("%w: %w", ErrUnreachable, err),
		}
	case isNetwork(err):
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("Nomad does not answer at %s (could not %s): start it, or correct nomad.address", c.options.Address, doing),
			After:  10 * time.Second, Err: fmt.Errorf("%w: %w", ErrUnreachable, err),
		}
	case code == http.StatusForbidden, code == http.StatusUnauthorized:
		return c.denied(doing, err)
	case passing(err):
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("Nomad could not %s just now", doing), After: 5 * time.Second, Err: err,
		}
	}
	return fmt.Errorf("nomad: could not %s: %w", doing, err)
}

func (c *Cluster) denied(doing string, err error) error {
	return &provisioner.TemporaryError{
		Reason: fmt.Sprintf("Nomad does not allow frama to %s in namespace %s: apply %s and check the token (frama doctor shows what is missing)",
			doing, c.options.Namespace, policyFile),
		After: time.Minute, Err: fmt.Errorf("%w: %w", ErrDenied, err),
	}
}

// status is the HTTP status of an answer that was an error, or 0. The client's error types are values, not pointers.
func status(err error) int {
	var answer api.UnexpectedResponseError
	if errors.As(err, &answer) && answer.HasStatusCode() {
		return answer.StatusCode()
	}
	return 0
}

func isNotFound(err error) bool { return status(err) == http.StatusNotFound }

// isConflict says whether a compare-and-set lost. For jobs that is a 500 with a prefix.
func isConflict(err error) bool {
	var cas api.ErrCASConflict
	return errors.As(err, &cas) || strings.Contains(err.Error(), api.RegisterEnforceIndexErrPrefix)
}

// isSlow reports whether a connection was made and no answer came in time.
func isSlow(err error) bool {
	var op *net.OpError
	dialling := errors.As(err, &op) && op.Op == "dial"
	return status(err) == 0 && !dialling && errors.Is(err, context.DeadlineExceeded)
}

func isNetwork(err error) bool {
	if status(err) != 0 {
		return false
	}
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) || errors.As(err, &dns) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded)
}

func hasAny(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func asAnswer(err error, answer *api.UnexpectedResponseError) bool { return errors.As(err, answer) }
