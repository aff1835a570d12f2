package catalogue

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"framagit.org/frama/frama/services/hosting"
)

// Statuses of an application.
const (
	Stable  = "stable"
	Beta    = "beta"    // offered, and pages say that it is new
	Retired = "retired" // runs where it runs, and is offered to nobody
	Demo    = "demo"    // stands in on machines of development; never in production
)

// Tenancies of an application.
const (
	PerSpace = "instance" // one per association
	Shared   = "shared"   // one for many
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
	Kind       string // of kinds.hcl
	Status     string // Stable, Beta, Retired or Demo
	ReplacedBy string // for a retired one: the application to migrate to
	Preferred  bool   // a space that asks for the kind gets this one

	License    string   // SPDX expression
	CharterOK  bool     // free software in the charter's sense, but for the exceptions
	Upstream   string   // URL of the sources
	Docs       []string // upstream documentation that the entry was checked against
	Unverified []string // what could not be checked there
	Tenancy    string   // PerSpace or Shared
	FirstURL   string   // path where the association starts, under the instance's address

	Backup        string // one of Backups: what makes a consistent copy
	Upgrade       string // one of Upgrades
	PermanentHost bool   // its host name is part of its data and can never change
	Suspend       string // one of Suspensions: the gentlest way to close the instance
	Quota         string // one of Quotas: the narrowest way to stop growth

	Egress       string   // one of Egresses: what its containers may reach beside the declared servers
	Capabilities []string // of CapabilityNames: rights of root that its containers keep

	Secrets  []Secret
	Values   []Value
	Includes map[string]Text // kinds that come with this application, and what is said of them

	Origin    string   // Embedded, or the folder it was loaded from
	Overrides []string // origins of the entries of this name that it replaced, the oldest first

	title, description Text
	exceptions         []Text
	run                Run
	sizes              map[string]hosting.Resources
	kindAt, replacedAt Diagnostic // places to complain about what only the whole catalogue can tell
	sizesAt            Diagnostic
	sizePlaces         map[string]Diagnostic
	job                job
	folder             string
	built              Substitute // what runs as the main task, see WithImages
	lacking            []string   // images that cannot be had
}

// Secret is a value that frama makes once per instance and keeps in the job's Nomad Variable.
type Secret struct {
	Name   string
	Format string // one of Formats
	Length int    // characters out of 62 (22 carry 128 bits), or bytes of randomness in the other formats
	// Permanent secrets are part of the data (keys of sessions, of encryption): they are in backups, and a new value
	// loses or locks what users have. The others can be rotated.
	Permanent bool
}

// Value is a text that comes from the association. It goes into the job's Nomad Variable, never into the job.
type Value struct {
	Name string
	From string // one of Sources
}

// job is the text of an application's job file; without a path there is none.
type job struct {
	source   string
	path     string
	needs    JobNeeds
	needsErr error
}

// Sources lists what a value can come from: the association's name, its contact's address and language.
func Sources() []string { return []string{"association", "email", "language"} }

// Backups lists the strategies: what has to be copied, and whether the application stops meanwhile.
func Backups() []string {
	return []string{"none", "dump", "files", "dump+files", "quiesce+dump+files", "stop+files"}
}

// Upgrades lists how an application gets to a new version.
func Upgrades() []string {
	return []string{"auto-on-start", "one-major-at-a-time", "migrate-command"}
}

// Suspensions lists who can close an instance: the application (a notice or reading only), else the ingress.
func Suspensions() []string { return []string{"app-maintenance", "app-read-only", "proxy"} }

// Quotas lists what can keep an instance within its share: the application for the instance as a whole, for each account,
// by taking no new objects or only readers; else the ingress (reading only) or the volume.
func Quotas() []string {
	return []string{"app-instance", "app-account", "app-create", "app-read-only", "ingress", "volume"}
}

// Formats lists how a secret is written.
func Formats() []string { return []string{alphanumeric, "hex", "base64", "uuid"} }

const alphanumeric = "alphanumeric"

// BackingKeys returns, for each backing service an application may need, the keys that its job finds in the Nomad
// Variable: frama makes the database, the account or the bucket, and writes them there.
func BackingKeys() map[string][]string {
	return map[string][]string{
		"postgres": {"db_host", "db_port", "db_name", "db_user", "db_password", "db_sslmode", "db_ca"},
		"mysql":    {"db_host", "db_port", "db_name", "db_user", "db_password", "db_sslmode", "db_ca"},
		"redis":    {"redis_host", "redis_port", "redis_user", "redis_password", "redis_prefix"},
		"s3":       {"s3_endpoint", "s3_region", "s3_bucket", "s3_key", "s3_secret"},
		"smtp":     {"smtp_host", "smtp_port", "smtp_user", "smtp_password", "smtp_from"},
	}
}

// Services lists the backing services an application may need.
func Services() []string { return slices.Sorted(maps.Keys(BackingKeys())) }

// Title is the application's name for people.
func (a App) Title(lang string) string { return a.title.In(lang) }

// Description says in a sentence or two what the application is for.
func (a App) Description(lang string) string { return a.description.In(lang) }

// Exceptions says what the host must publish: exceptions to the charter, and obligations of the licence.
func (a App) Exceptions(lang string) []string {
	var list []string
	for _, e := range a.exceptions {
		list = append(list, e.In(lang))
	}
	return list
}

// Installable says whether new instances may be made.
func (a App) Installable() bool { return a.Status != Retired && a.HasJob() && len(a.lacking) == 0 }

// HasJob reports whether there is a job file.
func (a App) HasJob() bool { return a.job.path != "" }

// Job returns the job file, and where it comes from for diagnostics.
func (a App) Job() (source, path string, err error) {
	if !a.HasJob() {
		return "", "", fmt.Errorf("application %s has no job: add %s", a.Name, filepath.Join(a.folder, jobFile))
	}
	return a.job.source, a.job.path, nil
}

// Run returns what the application consists of and needs.
func (a App) Run() Run { return a.run }

// Version returns the version that runs: that of the job, or of the image that was built in its place.
func (a App) Version() string {
	if a.built.Use != "" {
		return a.built.Version
	}
	return a.run.Version
}

// Size returns what an instance reserves in the plan. Load has made sure that every plan has a size.
func (a App) Size(plan string) hosting.Resources { return a.sizes[plan] }

// Generated returns a maker for each secret and each setting that stops growth, for provisioner.Cluster.EnsureSecrets: what
// is there already stays, so that a setting begins with "false". random must not fail, as
// crypto/rand.Reader does not; a maker panics rather than return a guessable value.
func (a App) Generated(random io.Reader) map[string]func() string {
	makers := map[string]func() string{}
	for _, s := range a.Secrets {
		makers[s.Name] = func() string { return s.Make(random) }
	}
	if setting := a.run.Enforce.Setting; setting != "" {
		makers[setting] = func() string { return "false" }
	}
	return makers
}

// Make draws a value. By default it is letters and digits only, which every configuration format takes unquoted.
func (s Secret) Make(random io.Reader) string {
	switch s.Format {
	case "hex":
		return hex.EncodeToString(bytesOf(random, s.Length))
	case "base64":
		return base64.StdEncoding.EncodeToString(bytesOf(random, s.Length))
	case "uuid":
		b := bytesOf(random, 16)
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4, RFC 9562
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, s.Length)
	for i := range out {
		out[i] = alphabet[draw(random, len(alphabet))]
	}
	return string(out)
}

func bytesOf(random io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		panic(fmt.Errorf("catalogue: no randomness for a secret: %w", err))
	}
	return b
}

// draw returns a number below n without the bias that a remainder would have.
func draw(random io.Reader, n int) int {
	limit := 256 - 256%n
	for {
		if b := int(bytesOf(random, 1)[0]); b < limit {
			return b % n
		}
	}
}

// Fixed returns the values of the instance's Nomad Variable that people typed; typed has them by source.
func (a App) Fixed(typed map[string]string) map[string]string {
	fixed := map[string]string{}
	for _, v := range a.Values {
		fixed[v.Name] = typed[v.From]
	}
	return fixed
}
