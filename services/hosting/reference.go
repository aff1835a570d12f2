package hosting

import "context"

// Reference leads from a line of the log to what caused it: a request, a run.
type Reference struct{ Name, ID string }

type referenceKey struct{}

// WithReference adds a reference to what a context carries. What is logged under it names it.
func WithReference(ctx context.Context, name, id string) context.Context {
	known := References(ctx)
	return context.WithValue(ctx, referenceKey{}, append(known[:len(known):len(known)], Reference{name, id}))
}

// References returns those that the context carries, the outermost first.
func References(ctx context.Context) []Reference {
	all, _ := ctx.Value(referenceKey{}).([]Reference)
	return all
}
