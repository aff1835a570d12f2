package control

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

// Availability answers "may I have this name?".
type Availability struct {
	Slug     string
	Problem  string // message key, or empty when the name is free
	Args     []any
	Proposal string   // a free name close to it, when this one is not
	Hosts    []string // host names the space would get, one per kind offered that is not shared
}

// Free says whether the name can be had.
func (a Availability) Free() bool { return a.Problem == "" }

// Tracking is what an association sees of its request.
type Tracking struct {
	Request hosting.Request
	Space   *SpaceView // nil until approved
}

// RequestView is one request with all a reviewer needs to decide.
type RequestView struct {
	Request  hosting.Request
	Name     Availability      // of the wanted name, now
	Apps     []AppView         // what would be installed
	Cost     hosting.Resources // what the space would reserve on the cluster
	Room     Room              // whether that fits; only while the request is undecided or waits
	Similar  []hosting.Request // same address, number or nearly the same name
	Audit    []hosting.AuditEntry
	Reviewer *hosting.User // who decided, nil before
	Space    *SpaceView    // nil until approved
}

// SpaceView is a space with what runs for it.
type SpaceView struct {
	Space     hosting.Space
	Request   hosting.Request
	Instances []InstanceView       // its own, then those of the host's own that it shares with others
	UsedBy    []hosting.Space      // of a space of the host's own: who uses it, the newest first, at most 200
	Users     int                  // how many they are in all
	Runs      []work.Run           // newest first, with their steps
	Audit     []hosting.AuditEntry // only for staff
}

// LastRun returns the newest run, or nil.
func (v SpaceView) LastRun() *work.Run {
	if len(v.Runs) == 0 {
		return nil
	}
	return &v.Runs[0]
}

// InstanceView is an instance with its address and certificate.
type InstanceView struct {
	hosting.Instance
	Shared      bool                 // it is in a space of the host's own, SpaceID, and serves others too
	Title       map[string]string    // of the application, by language
	URL         string               // https address, for people
	Certificate *hosting.Certificate // nil for none yet, and for shared ones
}

// Page is one page of a list.
type Page struct {
	Number int // from 1
	Size   int
	Total  int // entries in all
}

// Last is the number of the last page, at least 1.
func (p Page) Last() int { return max(1, (p.Total+p.Size-1)/max(1, p.Size)) }

// RequestFilter narrows the queue. Zero values do not.
type RequestFilter struct {
	State hosting.RequestState
	Text  string // in name, slug, contact or address, whatever the case
	Kind  string
	Page  int // from 1
	Size  int // entries a page, 25 when zero
}

// RequestPage is a page of the queue. Pending requests come oldest first, all others newest first.
type RequestPage struct {
	Page
	Requests []hosting.Request
	Counts   map[hosting.RequestState]int // of all requests that match Text and Kind
}

// SpaceFilter narrows the list of spaces.
type SpaceFilter struct {
	State hosting.SpaceState
	Text  string
	Page  int
	Size  int
}

// SpacePage is a page of the spaces, newest first.
type SpacePage struct {
	Page
	Spaces []SpaceView // without audit; runs hold the last one only
	Counts map[hosting.SpaceState]int
}

// AuditPage is a page of the audit log, newest first.
type AuditPage struct {
	Page
	Entries []hosting.AuditEntry
}

// Session is a signed-in member of the staff.
type Session struct {
	Token     string `json:"-"` // only set by SignIn: the cookie's value. The database holds its hash.
	CSRF      string `json:"-"` // every form of the dashboard carries it
	User      hosting.User
	ExpiresAt time.Time
}

// Actor is the session's user as an actor.
func (s Session) Actor(ip string) hosting.Actor {
	return hosting.Actor{UserID: s.User.ID, Name: s.User.Email, Role: s.User.Role, IP: ip}
}
