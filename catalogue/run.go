package catalogue

import "framagit.org/frama/frama/services/hosting"

// Run says what an application consists of, what it needs, and how to see that it works.
type Run struct {
	Version string
	Tasks   []string // of the job, the main one first
	Needs   []string // backing services, see BackingKeys
	// What a needed service must offer.
	Postgres Postgres
	MySQL    MySQL
	Redis    Redis
	Health   Health
	Volume   Volume
	Images   map[string]Image // by task
	Setup    []Setup          // in this order, once the instance is healthy
	Check    ObjectCheck
	Usage    []Usage
	Enforce  Enforce
	Retain   []Retain

	enforceAt Diagnostic // place of the block
}

// Postgres is what an application asks of its database.
type Postgres struct {
	Version    int // least major version, 0 for any
	Extensions []string
}

// MySQL is what an application asks of its database.
type MySQL struct{ Charset string }

// Redis is what an application keeps there: a cache may be lost, durable data may not.
type Redis struct{ Durable bool }

// Volume says who owns the instance's volume: the user that the application runs as.
type Volume struct{ UID, GID int }

const nobody = 65534

// Health is how to see that an instance works, by GET.
type Health struct {
	Path   string
	Status int // expected
}

// Image is what a task of a job runs.
type Image struct {
	Reference string // registry/name:version, or name:version for one that the host builds
	Digest    string // sha256:…, or empty where nobody recorded it
	Build     string // URL of what the host builds the image from; empty for images of others
}

// Setup is one step that makes a fresh instance ready, once. It may be repeated without harm.
type Setup struct {
	Name     string
	Task     string   // where Command runs
	User     string   // as whom; empty for the task's own
	Command  []string // exit status 0 means done. Never a secret: processes' words are for all to see.
	Requests []Request
}

// ObjectCheck tries the application as people use it: it writes an object and reads it back.
type ObjectCheck struct {
	Write, Read []Request
	// Opening proves, before the space opens, that the first start went to its end: the first account signs in, what is
	// stored is found. It leaves nothing that people see.
	Opening []Request
}

// Request is one exchange with an instance over HTTP. {name} stands for a value of the instance's Nomad Variable, for
// what an earlier request captured, and for {object} (a word of the trial), {host}, {url} and {email}.
type Request struct {
	Name        string
	Method      string
	Path        string
	Body        string
	ContentType string
	Headers     map[string]string
	User        string // HTTP basic authentication
	Password    string
	Status      int // expected; redirects are not followed
	Contains    string
	Lacks       string
	Captures    map[string]string // name to a regular expression with one group, of the answer's body
}

// Usage is how one metric of an instance is measured.
type Usage struct {
	Metric  string // one of Metrics
	From    string // one of Probes
	Path    string // http-json, prometheus: of the instance
	Field   string // http-json: dotted path; prometheus: name of the metric
	Task    string // exec: where Command runs; it prints one number
	Command []string
	Query   string // sql: of the instance's database; one number
	Pattern string // files: glob below the volume
}

// Enforce is how growth of an instance is stopped when its space reaches a limit, and allowed again. An application without
// means of its own is for reading only, at the ingress.
type Enforce struct {
	// Setting is a key of the instance's Nomad Variable that frama keeps at "true" while growth is stopped and at "false"
	// otherwise: a template of the job hands it to the application.
	Setting     string
	Stop, Allow Act
	Tell        Act      // tells the application its limits, whenever they change: {storage_mib}, {storage_bytes}, {accounts}
	Writes      []string // prefixes of paths that can be written to while the ingress lets through only what reads: to sign in, to delete

	settingAt Diagnostic
}

// Reaches says whether the application itself keeps to a limit, by the name of its metric. Where it does not, the ingress lets
// through only what reads.
func (e Enforce) Reaches(metric string) bool {
	if e.Setting != "" || !e.Stop.Nothing() {
		return true
	}
	switch metric {
	case hosting.MetricStorage:
		return e.Tell.uses([]string{"storage_mib", "storage_bytes"})
	case hosting.MetricAccounts:
		return e.Tell.uses([]string{"accounts"})
	}
	return false
}

// Act is something done to an instance: a command inside a task, or requests to it. It may be repeated without harm.
type Act struct {
	Task     string
	User     string
	Command  []string
	Requests []Request
	Reserve  int // MiB, of tell: what the application keeps on its volume beside what people store
}

// Nothing says that there is nothing to do.
func (a Act) Nothing() bool { return len(a.Command) == 0 && len(a.Requests) == 0 }

// Retain is how objects that nobody changed for long are found, exported and removed. {object} is the name of one.
type Retain struct {
	Metric    string  // the kind of objects, one of Metrics
	List      Request // all names
	Names     string  // dotted path of the list of names in its answer (JSON)
	Changed   Request // when {object} was last changed
	ChangedAt string  // dotted path of that time in its answer, in milliseconds since 1970
	Export    Request // the object as a file
	ExportAs  string  // extension of the file's name: txt, html, csv
	Remove    Request
}

// Metrics lists what can be counted: accounts are people, bytes are storage, the others objects people make.
func Metrics() []string {
	return []string{"accounts", "bytes", "pads", "sheets", "polls", "forms", "answers", "events", "maps", "posts", "lists", "messages",
		"videos", "photos", "pages", "repositories", "meetings", "documents", "files"}
}

// Probes lists where a number can be read.
func Probes() []string { return []string{"http-json", "prometheus", "exec", "sql", "files"} }
