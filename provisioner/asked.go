package provisioner

import (
	"context"
	"time"
)

// Asked is a Backing that can say what an instance has there. It is asked as the instance itself, with what the
// instance's variable holds, and never as the administrator: what an instance left in its database is then its own trap.
type Asked interface {
	Backing

	// Gave says whether the variable leads to this server.
	Gave(items map[string]string) bool
	// Ask asks for how many bytes the instance has there, and for the first value of the first row of each query, one after
	// the other. Each is given the time, may only read, and has an answer or an error of its own; answers are in the order
	// of the queries. Servers that hold no tables answer none.
	Ask(ctx context.Context, items map[string]string, within time.Duration, queries []string) (size Answer, answers []Answer)
}

// Answer is what a server said, in its own writing and at most 64 characters, or why it said nothing.
type Answer struct {
	Text string
	Err  error
}
