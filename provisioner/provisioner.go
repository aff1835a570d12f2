// Package provisioner turns approved spaces into running ones. It holds the step lists of the runs that
// services/work executes, and owns the three interfaces those steps need: a Cluster that runs jobs (provisioner/nomad),
// an Issuer of certificates (provisioner/acme) and a Backing, which gives databases and the like (provisioner/backing). What the ingress must know is a Snapshot, which provisioner/edge
// carries to the HAProxy on each ingress node.
package provisioner

import (
	"context"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Cluster is a scheduler that runs one job per instance. Every method may be called again after a crash with the same
// arguments: it reads, compares and only then writes.
type Cluster interface {
	// Nodes lists the nodes that can take work, with what each has and who holds it.
	Nodes(ctx context.Context) ([]Node, error)
	// EnsureSecrets makes the variables that only this job can read. Values of fixed are set when they differ; keys of
	// generated are made once, by calling the function, and never replaced.
	EnsureSecrets(ctx context.Context, job string, fixed map[string]string, generated map[string]func() string) error
	// Secrets returns what is in the job's variable; nil when there is none.
	Secrets(ctx context.Context, job string) (map[string]string, error)
	// ChangeSecrets lets change work on what is in the job's variable and writes the result, unless somebody wrote in
	// between: then change works on what that one wrote.
	ChangeSecrets(ctx context.Context, job string, change func(items map[string]string)) error
	// ReadsSecret says whether a task of the job, as it is registered, reads that key of the job's variable.
	ReadsSecret(ctx context.Context, job, key string) (bool, error)
	// EnsureVolume makes the named volume on the node, or finds it there. One that is enforced gets the capacity, also while
	// an instance uses it; a KeptError says that it holds too much for that.
	EnsureVolume(ctx context.Context, v Volume) error
	// EnsureJob registers the job unless the cluster already runs the very same one. It never touches a job that does
	// not carry frama's mark (meta frama_instance).
	EnsureJob(ctx context.Context, j Job) error
	// RemoveJob forgets a job that frama registered for the instance, so that it can be registered afresh. Volumes and
	// secrets stay. A job that is gone already is no error.
	RemoveJob(ctx context.Context, job, instance string) error
	// Address returns where the port http of the job's running allocation is published, as host:port.
	Address(ctx context.Context, job string) (string, error)
	// Exec runs a command inside a running task of the job and returns its exit status and the end of what it wrote, which
	// may hold secrets. When ctx ends before it does, the command may go on in the task.
	Exec(ctx context.Context, job, task string, command []string) (code int, output string, err error)
	// JobHealth says how the job is doing. It is cheap and may be polled.
	JobHealth(ctx context.Context, job string) (JobHealth, error)
}

// Node is a machine of the cluster that can take work.
type Node struct {
	ID      string
	Name    string
	Class   string
	Drivers []string          // healthy task drivers, sorted; nil when the cluster does not tell
	Total   hosting.Resources // what it has for jobs, without what it keeps for itself
	Held    []Held            // by allocations, of anybody
	// UsedPorts are the static ports that jobs hold on the node.
	UsedPorts []int
}

// Held is what an allocation holds on a node.
type Held struct {
	Job       string // ID of the job in frama's namespace; empty in another
	Resources hosting.Resources
}

// Volume is a volume that belongs to one instance for ever.
type Volume struct {
	Name        string
	Node        string // node ID
	Instance    string // whose it is; only it finds the volume again
	CapacityMiB int
	UID, GID    int // who owns it: the user the application runs as
}

// Job is what is registered for one instance.
type Job struct {
	ID         string // <handle>-<app>
	SpaceID    string
	InstanceID string
	Source     string         // HCL2 job specification of the catalogue
	Path       string         // where Source came from, for diagnostics
	Variables  map[string]any // HCL2 variables: identifiers that frama made, never what people typed, never a secret
	Node       string         // node ID the volume pins the job to
	Volume     string         // its name
	Port       int            // static port, label "http"
	CPU        int            // MHz
	Memory     int            // MiB
	MemoryMax  int            // MiB, 0 for none
	// What containers may reach, and which capabilities they keep: the application's manifest says both. Nothing where empty.
	Egress       string
	Capabilities []string
	// Images are those whose digest the manifest names, by task, as registry/name:tag@sha256:….
	Images map[string]string
}

// JobState is a summary of what the scheduler does with a job.
type JobState string

const (
	JobMissing JobState = "missing" // not registered
	JobPending JobState = "pending" // being placed or started
	JobBlocked JobState = "blocked" // no node has room; Reason says which resource is missing
	JobHealthy JobState = "healthy"
	JobFailed  JobState = "failed" // the deployment failed; Reason holds the scheduler's words and the task's last event
)

// JobHealth is the answer of Cluster.JobHealth.
type JobHealth struct {
	State  JobState
	Reason string    // for people; never holds a secret
	Since  time.Time // when the job was submitted or last placed, whichever is later; zero when it is unknown
	// Within is how long the job itself gives an allocation to become healthy, zero when it is unknown.
	Within time.Duration
	// Begun is when a task of the running allocation was last started, or told to read its files again; by the node's clock, and
	// zero when it is unknown.
	Begun time.Time
}

// Issuer gets certificates from a certificate authority.
type Issuer interface {
	// Issue obtains a certificate for host with a fresh key. It cannot be cancelled part-way: callers hold a lease that
	// outlives it.
	// replaces is the chain it succeeds, in PEM, or nil.
	Issue(ctx context.Context, host string, replaces []byte) (Issued, error)
	// Thumbprint is that of the account's key (RFC 7638); with it an edge answers HTTP-01 challenges on its own.
	Thumbprint(ctx context.Context) (string, error)
}

// Issued is a certificate as the authority gave it.
type Issued struct {
	ChainPEM  []byte // leaf first
	KeyPEM    []byte
	NotBefore time.Time
	NotAfter  time.Time
	URL       string
}

// TemporaryError is an error of a cluster or an authority that asks to come back later: the run waits, and shows Reason.
type TemporaryError struct {
	Reason string        // what happened and what to do, for people
	After  time.Duration // when to try again; 0 lets the caller choose
	Err    error
}

func (e *TemporaryError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

func (e *TemporaryError) Unwrap() error { return e.Err }

// RefusedError is an error that only a person can mend: trying again alone cannot help.
type RefusedError struct {
	Reason string // what is wrong and what to do, for people
	Err    error
}

func (e *RefusedError) Error() string {
	switch {
	case e.Err == nil:
		return e.Reason
	case e.Reason == "":
		return e.Err.Error()
	}
	return e.Reason + ": " + e.Err.Error()
}

func (e *RefusedError) Unwrap() error { return e.Err }

// KeptError is what a cluster says of a volume that holds more than it is to have: it keeps its size, and works on.
type KeptError struct {
	Reason string // for people
	Err    error
}

func (e *KeptError) Error() string { return e.Reason + ": " + e.Err.Error() }

func (e *KeptError) Unwrap() error { return e.Err }
