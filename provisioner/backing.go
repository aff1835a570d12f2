package provisioner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
)

// Backing is a server outside of the cluster that gives instances what they need: a database, an account, a bucket. Every
// method may be called again after a crash with the same arguments: it reads, compares and only then writes. None takes
// over anything that was not made for the very instance of the grant; that is a RefusedError.
type Backing interface {
	// Kind is the service it gives: postgres, mysql, redis, s3 or smtp.
	Kind() string
	// Name is what the configuration calls it.
	Name() string
	// Identifier names what the job's instance gets there. Equal jobs have equal names, others have others.
	Identifier(job string) string
	// Secrets makes up what an instance proves itself with, by key of its job's variable. It is empty where instances share
	// one account.
	Secrets(instance string, random io.Reader) map[string]string
	// Fits says whether the server has what the grant asks for, such as a version or an extension.
	Fits(ctx context.Context, g Grant) error
	// Ensure makes what the grant says, with g.Secrets and no other, and returns the values of the further keys that the
	// job finds in its variable.
	Ensure(ctx context.Context, g Grant) (map[string]string, error)
	// Rotate makes the server take next. It may go on taking g.Secrets until Ensure is called with next, which also makes
	// what is missing: that is no error here, or a change that was begun could never end.
	Rotate(ctx context.Context, g Grant, next map[string]string) error
	// Login signs in as the instance does.
	Login(ctx context.Context, g Grant) error
	// Aside is the name that data gets when it is retired at a time; empty where it keeps its own.
	Aside(name string, at time.Time) string
	// Retire lets the instance in no more, and sets its data aside under g.SetAside.
	Retire(ctx context.Context, g Grant) error
	// Restore undoes Retire.
	Restore(ctx context.Context, g Grant) error
	// Purge deletes what was retired. What is gone already is no error.
	Purge(ctx context.Context, g Grant) error
	// Check says what the server is, or what is wrong with it and what to do.
	Check(ctx context.Context) (string, error)
}

// Grant is what one instance gets of a server.
type Grant struct {
	Instance string            // its ID: what frama makes is marked with it
	Name     string            // of the database, user, key prefix or bucket
	SetAside string            // name of the data while it is retired, or empty
	Secrets  map[string]string // what the instance proves itself with, see Backing.Secrets

	// What the application asks for.
	Version    int      // postgres: least major version, 0 for any
	Extensions []string // postgres
	Charset    string   // mysql: utf8mb4 when empty
	Durable    bool     // redis: what is in it must survive a restart
}

// Server is a declared backing server.
type Server struct {
	Backing

	Full bool // takes no new instances; those it has stay
}

// Identifier makes a name of at most limit bytes for a job on a server: letters, digits and separator, beginning with the
// prefix. A name that had to be cut ends with a hash of the whole job.
func Identifier(prefix, job, separator string, limit int) string {
	name := strings.ReplaceAll(prefix+"-"+job, "-", separator)
	if len(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(job))
	tail := separator + hex.EncodeToString(sum[:6])
	return strings.TrimRight(name[:limit-len(tail)], separator) + tail
}

// SecretText draws letters and digits, which every application takes unquoted.
func SecretText(random io.Reader, length int) string {
	return catalogue.Secret{Length: length}.Make(random)
}
