// Package control holds frama's use cases. One call is one transaction and one line of the audit log; who acts is an
// argument. Errors that a person reads are *hosting.Error.
//
// The pages (services/web) and the command line call it; it knows neither.
package control

import (
	"sync/atomic"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// Control is the set of use cases.
type Control struct {
	store     *store.Store
	catalogue *catalogue.Catalogue // what this host can run
	whole     *catalogue.Catalogue // with what it cannot
	options   Options
	hashing   chan struct{}                                  // full while as many passwords as may be are being checked
	inForce   atomic.Pointer[map[string]hosting.PlanVersion] // plans, as they were when this process last looked
}

// Options are what the use cases need to know of the configuration.
type Options struct {
	Development    bool     // applications of status demo are offered
	Offer          []string // kinds that associations may ask for; the core ones when empty
	SharedPlan     string   // plan whose sizes shared instances get; the largest when empty
	Platform       string   // base domain of the spaces, e.g. example.org
	HTTPSPort      int      // public port of the ingress; 443 is left out of addresses
	PublicURL      string   // address of frama's own pages, without a slash at the end
	HostName       string   // name of the host (the CHATON) as people see it
	HostEmail      string   // where people reach the host: the contact of its own spaces
	CharterURL     string   // where the charter can be read
	CharterVersion string   // recorded with each request
	Reserved       []string // slugs that nobody may have, beside frama's own list
	LinkKey        []byte   // 32 bytes: the links of mails are derived from it
	SessionTTL     time.Duration
	Cluster        string             // where spaces are placed: whose room approvals promise; empty promises without a limit
	Overcommit     hosting.Overcommit // how many times over its room may be promised
	Cost           Cost
	Now            func() time.Time
	NewID          func() string
}

// New wires the use cases.
func New(s *store.Store, c *catalogue.Catalogue, o Options) *Control {
	return &Control{store: s, catalogue: c.Runnable(), whole: c, options: o, hashing: make(chan struct{}, hashesAtOnce)}
}
