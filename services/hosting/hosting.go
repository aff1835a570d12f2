// Package hosting is the domain of frama: what an alternative host (a CHATON) keeps about the associations it
// serves, and the rules that hold wherever a value comes from.
//
// An Association asks for a Space with a Request. Once a reviewer approves it, the Space gets Instances, one
// application each, and a Run provisions them. An application that serves many associations runs once, in a Space of the
// host's own, of which the others are Tenants. Names that live outside frama (jobs, volumes, variables) derive from
// the Space's Handle, which never changes; names people see (host names) derive from its Slug.
//
// The package imports the standard library only. Times are UTC, sizes are bytes unless the name says otherwise.
package hosting

import "time"

// Association is who asks for a space. The registration numbers are optional: many collectives have none.
type Association struct {
	Name    string // as people write it, 2 to 120 characters
	RNA     string // French register of associations: W and nine digits, or empty
	SIRET   string // French register of establishments: fourteen digits (Luhn), or empty
	Website string // absolute http(s) URL, or empty
}

// Contact is the person who speaks for the association.
type Contact struct {
	Name  string
	Email string // as typed, checked to be one plain address
	Lang  string // "fr" or "en": the language of mails and pages
}

// Request is an association's request for a space.
type Request struct {
	ID             string // UUIDv7
	State          RequestState
	Association    Association
	Contact        Contact
	Purpose        string // what the space is for, in their words
	Slug           string // wanted name: the first label of the space's host names
	Kinds          []string
	Plan           string
	CharterVersion string // the version of the charter that was accepted
	Reason         string // why it was refused; mailed to the association
	ReviewerID     string // who decided; empty before
	SpaceID        string // set by approval
	CreatedAt      time.Time
	ConfirmedAt    time.Time // zero until the mail address is confirmed
	DecidedAt      time.Time // zero until approved or refused
	WaitingSince   time.Time // when a reviewer said yes and there was no room; zero if it never waited
}

// Space is what an association gets: a name, a plan and instances. The host has spaces too, of applications that many
// associations share.
type Space struct {
	ID          string
	RequestID   string // empty for the host's own
	Shared      bool   // the host's own: other spaces use its instance
	Handle      string // unique for ever, never reused; names of jobs and volumes derive from it
	Slug        string // unique among living spaces; host names derive from it
	Name        string // the association's name when the space was made; the host's for its own
	Email       string // contact's address
	Lang        string
	Plan        string
	Cluster     string // Nomad cluster that has promised it room; empty while none has
	State       SpaceState
	CreatedAt   time.Time
	ActivatedAt time.Time // zero until active
}

// Instance is one application that runs for one space: one Nomad job, one volume.
type Instance struct {
	ID       string
	SpaceID  string
	Kind     string // pads, calcs, …
	App      string // entry of the catalogue
	Version  string // of the application, when it was last registered
	Host     string // full host name under the platform's domain
	Job      string // Nomad job ID: <handle>-<app>
	Volume   string // name of the volume: <handle>-<app>-data
	Node     string // Nomad node ID the volume lives on; empty until placed
	Port     int    // TCP port that frama reserved on that node; 0 until placed
	Address  string // host:port the ingress sends traffic to; empty until healthy
	Health   Health
	Reserved Resources
	Growth   Growth
}

// Growth is what is done about an instance whose space reached a limit.
type Growth struct {
	Stopped   bool   // it is to take no more
	As        string // the means in force, one of the catalogue's Quotas; empty for none
	Problem   string // why what is wanted could not be done yet
	ToldLimit string // the limit that the application was last told
	VolumeMiB int    // the size that the volume was last given; 0 for that of Reserved at its making
}

// Unsettled says that growth is not as it is wanted, or that something is left to do about it.
func (g Growth) Unsettled() bool { return g.Stopped != (g.As != "") || g.Problem != "" }

// GrowthAtIngress is the means that needs nothing of an application: the ingress lets through only what reads or deletes.
const GrowthAtIngress = "ingress"

// Tenant is a space's use of an instance that it shares with others.
type Tenant struct {
	SpaceID    string // who uses it
	InstanceID string // in a space of the host's own
	Kind       string // what was asked for
	CreatedAt  time.Time
}

// Resources is what an instance reserves on its cluster.
type Resources struct {
	CPU       int // MHz
	Memory    int // MiB
	MemoryMax int // MiB, 0 when the same as Memory
	Disk      int // MiB of the volume
}

// Plus adds what two instances reserve.
func (r Resources) Plus(o Resources) Resources {
	return Resources{r.CPU + o.CPU, r.Memory + o.Memory, r.Limit() + o.Limit(), r.Disk + o.Disk}
}

// Limit is the most memory an instance may use, in MiB.
func (r Resources) Limit() int { return max(r.Memory, r.MemoryMax) }

// Certificate is a TLS certificate for one host name. The key never leaves the store unsealed but for an edge.
type Certificate struct {
	ID        string
	Host      string
	State     CertificateState
	ChainPEM  string `json:"-"`
	SealedKey string `json:"-"` // base64, sealed with services/seal
	NotBefore time.Time
	NotAfter  time.Time
	RenewAt   time.Time // when the renewal loop looks at it next
	Attempts  int       // failures since the last success
	LastError string
	CreatedAt time.Time
	CertURL   string // ACME certificate URL
}

// User is one of the host's staff.
type User struct {
	ID           string
	Email        string
	Name         string
	Role         Role
	PasswordHash string `json:"-"` // argon2id, PHC string format
	CreatedAt    time.Time
	DisabledAt   time.Time
}

// Actor is who does something: an argument of every use case, written to the audit log.
type Actor struct {
	UserID string // empty for the public and for frama itself
	Name   string // what the audit log shows: a mail address, "public", "frama", "cli:root"
	Role   Role
	IP     string
}

// AuditEntry records one act. The log is append-only.
type AuditEntry struct {
	ID      string
	At      time.Time
	Actor   string
	IP      string
	Action  string // e.g. request.approve
	Subject string // e.g. request:0190…
	Detail  string // a short sentence, never a secret
}
