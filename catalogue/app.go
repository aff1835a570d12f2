package catalogue

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"framagit.org/frama/frama/services/hosting"
)

// Variants of an application: how it runs. Each has a job file of its own in the application's folder.
const (
	Production = "production" // containers; job.nomad.hcl
	Native     = "native"     // plain processes, for development and tests; native.nomad.hcl
)

// Statuses of an application.
const (
	Stable  = "stable"
	Beta    = "beta"    // offered, and pages say that it is new
	Retired = "retired" // runs where it runs, and is offered to nobody
)

// Text is something people read, by language ("fr", "en").
type Text map[string]string

// In returns the text in the language, French when there is none.
func (t Text) In(lang string) string {
	if s, ok := t[lang]; ok {
		return s
	}
	return t["fr"]
}

// App is an application as its manifest describes it.
type App struct {
	Name       string // of its folder; part of job IDs: <handle>-<app>
	Kind       string // one of hosting.Kinds
	Status     string // Stable, Beta or Retired
	ReplacedBy string // for a retired one: the application to migrate to, or empty
	Preferred  bool   // a space that asks for the kind gets this one

	License    string   // SPDX expression
	CharterOK  bool     // free software in the charter's sense, but for the exceptions
	Exceptions []string // what the host must publish as exceptions or obligations of the licence
	Upstream   string   // URL of the sources
	Tenancy    string   // "instance": one per association; "shared": one for many
	FirstURL   string   // path where the association starts, under the instance's address

	Backup  string // one of Backups: what makes a consistent copy
	Upgrade string // one of Upgrades
	Suspend string // one of Suspensions: the gentlest way to close the instance

	Secrets []Secret
	Values  []Value

	Origin    string   // Embedded, or the folder it was loaded from
	Overrides []string // origins of the entries of this name that it replaced, the oldest first

	title, description Text
	run                Run            // what the manifest's top says
	runs               map[string]Run // what its variant blocks say instead
	sizes              map[string]hosting.Resources
	sizesAt            Diagnostic // place to complain about missing sizes
	sizePlaces         map[string]Diagnostic
	jobs               map[string]job // by variant
	folder             string
}

// Run is what differs between the variants of an application.
type Run struct {
	Version string
	Health  Health
	Needs   []string // backing services, see BackingKeys
	Volume  Volume
}

// Volume says who owns the instance's volume: the user that the application runs as. Plain processes run as nobody.
type Volume struct{ UID, GID int }

const nobody = 65534

// Health is how to see that an instance works, by GET.
type Health struct {
	Path   string
	Status int // expected
}

// Secret is a value that frama makes once per instance and keeps in the job's Nomad Variable.
type Secret struct {
	Name   string
	Length int // characters out of 62: 22 carry 128 bits
	// Permanent secrets are part of the data (keys of sessions, of encryption): they are in backups, and a new value
	// loses or locks what users have. The others can be rotated.
	Permanent bool
}

// Value is a text that comes from the association. It goes into the job's Nomad Variable, never into the job.
type Value struct {
	Name string
	From string // one of Sources
}

type job struct {
	source string
	path   string
}

// Sources lists what a value can come from: the association's name, its contact's address and language.
func Sources() []string { return []string{"association", "email", "language"} }

// Backups lists the strategies: what has to be copied, and whether the application stops meanwhile.
func Backups() []string {
	return []string{"none", "dump", "files", "dump+files", "quiesce+dump+files", "stop+files"}
}

// Upgrades lists how an application gets to a new version.
func Upgrades() []string {
	return []string{"auto-on-start", "one-major-at-a-time", "migrate-command", "never-change-host"}
}

// Suspensions lists who can close an instance: the application (a notice or reading only), else the ingress.
func Suspensions() []string { return []string{"app-maintenance", "app-read-only", "proxy"} }

// BackingKeys returns, for each backing service an application may need, the keys that its job finds in the Nomad
// Variable. Until frama makes databases itself, the host's configuration gives their values.
func BackingKeys() map[string][]string {
	return map[string][]string{
		"postgres": {"db_host", "db_port", "db_name", "db_user", "db_password"},
		"mysql":    {"db_host", "db_port", "db_name", "db_user", "db_password"},
		"redis":    {"redis_host", "redis_port", "redis_user", "redis_password"},
		"s3":       {"s3_endpoint", "s3_bucket", "s3_key", "s3_secret"},
		"smtp":     {"smtp_host", "smtp_port", "smtp_user", "smtp_password", "smtp_from"},
	}
}

// Title is the application's name for people.
func (a App) Title(lang string) string { return a.title.In(lang) }

// Description says in a sentence or two what the application is for.
func (a App) Description(lang string) string { return a.description.In(lang) }

// Installable says whether new instances may be made.
func (a App) Installable() bool { return a.Status != Retired && len(a.jobs) > 0 }

// Variants lists the variants that there is a job file for.
func (a App) Variants() []string { return slices.Sorted(maps.Keys(a.jobs)) }

// Has says whether there is a job file for the variant.
func (a App) Has(variant string) bool { _, ok := a.jobs[variant]; return ok }

// Job returns the job file of a variant, and where it comes from for diagnostics.
func (a App) Job(variant string) (source, path string, err error) {
	j, ok := a.jobs[variant]
	if !ok {
		return "", "", fmt.Errorf("application %s has no %s variant: add %s", a.Name, variant, filepath.Join(a.folder, jobFile(variant)))
	}
	return j.source, j.path, nil
}

// Run returns the version, health check and needs of a variant.
func (a App) Run(variant string) Run {
	if r, ok := a.runs[variant]; ok {
		return r
	}
	return a.run
}

// Version returns the version that a variant installs.
func (a App) Version(variant string) string { return a.Run(variant).Version }

// Size returns what an instance reserves in the plan. Load has made sure that every plan has a size.
func (a App) Size(plan string) hosting.Resources { return a.sizes[plan] }

// MissingKeys lists the keys of backing services that the variant needs and the configuration does not give.
func (a App) MissingKeys(variant string, given map[string]string) []string {
	var missing []string
	for _, need := range a.Run(variant).Needs {
		for _, key := range BackingKeys()[need] {
			if given[key] == "" && !slices.Contains(missing, key) {
				missing = append(missing, key)
			}
		}
	}
	return missing
}

// Generated returns a maker for each secret, for provisioner.Cluster.EnsureSecrets. random must not fail, as
// crypto/rand.Reader does not; a maker panics rather than return a guessable value.
func (a App) Generated(random io.Reader) map[string]func() string {
	makers := map[string]func() string{}
	for _, s := range a.Secrets {
		makers[s.Name] = func() string { return s.Make(random) }
	}
	return makers
}

// Make draws a value: letters and digits only, which every configuration format takes unquoted.
func (s Secret) Make(random io.Reader) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, s.Length)
	for i := range out {
		out[i] = alphabet[draw(random, len(alphabet))]
	}
	return string(out)
}

// draw returns a number below n without the bias that a remainder would have.
func draw(random io.Reader, n int) int {
	limit := 256 - 256%n
	var one [1]byte
	for {
		if _, err := io.ReadFull(random, one[:]); err != nil {
			panic(fmt.Errorf("catalogue: no randomness for a secret: %w", err))
		}
		if b := int(one[0]); b < limit {
			return b % n
		}
	}
}

// Fixed returns the values of the instance's Nomad Variable that are not made by chance: what people typed, by source,
// and the keys of backing services, from the configuration.
func (a App) Fixed(variant string, typed map[string]string, backing map[string]string) map[string]string {
	fixed := map[string]string{}
	for _, v := range a.Values {
		fixed[v.Name] = typed[v.From]
	}
	for _, need := range a.Run(variant).Needs {
		for _, key := range BackingKeys()[need] {
			fixed[key] = backing[key]
		}
	}
	return fixed
}
