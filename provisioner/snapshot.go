package provisioner

import "time"

// Snapshot is all that an ingress node needs to serve every space with frama stopped. It holds private keys: it
// travels signed, over TLS or loopback, to an authenticated edge, and is kept in files only root and HAProxy read.
type Snapshot struct {
	Version  int64     `json:"version"` // grows by at least one with each change
	MadeAt   time.Time `json:"made_at"`
	Platform string    `json:"platform"` // base domain, e.g. example.org
	// Thumbprint of the ACME account's key: the edge answers any HTTP-01 challenge with <token>.<thumbprint>.
	Thumbprint   string            `json:"thumbprint"`
	Routes       []Route           `json:"routes"`
	Certificates []EdgeCertificate `json:"certificates"`
}

// RouteState says what the edge does for a host.
type RouteState string

const (
	RouteActive    RouteState = "active"    // traffic goes to Address
	RouteStarting  RouteState = "starting"  // a page says that the space is being prepared
	RouteSuspended RouteState = "suspended" // a page says so, 503 with Retry-After
)

// Route sends a host name to an instance.
type Route struct {
	Host    string     `json:"host"`
	Address string     `json:"address"` // IP:port
	State   RouteState `json:"state"`
	// ReadOnly lets through only what reads or deletes, while growth of the instance is stopped. It is no state, so that an
	// agent that does not know it serves the host on.
	ReadOnly bool     `json:"read_only,omitempty"`
	Writes   []string `json:"writes,omitempty"` // prefixes of paths where everything passes all the same
}

// EdgeCertificate is a certificate with its key, for the hosts it names.
type EdgeCertificate struct {
	ID       string   `json:"id"`
	Hosts    []string `json:"hosts"`
	ChainPEM string   `json:"chain_pem"`
	KeyPEM   string   `json:"key_pem"`
}
