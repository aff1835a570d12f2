// Package nomad runs instances on a Nomad cluster: it is frama's provisioner.Cluster, and the only importer of
// Nomad's API client.
//
// A job goes one way: the catalogue's HCL is parsed by Nomad's own server (parse.go), the result is made frama's by
// small mutators (mutate.go), checked against a policy that trusts neither the catalogue nor the parser (policy*.go),
// compared and admitted by Nomad's planner, and registered with a compare-and-set (job.go). Everything may be called
// again after a crash and then changes nothing.
//
// Supported are servers from 1.6.3. What a job says differs with their version (version.go).
package nomad

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Marks of frama on a job. meta holds these two only: changing meta restarts tasks.
const (
	metaSpace    = "frama_space"
	metaInstance = "frama_instance"
)

// Options say which cluster, and what jobs may do on it. The environment (NOMAD_ADDR, …) is never read.
type Options struct {
	Address   string                 // of an agent, http(s)://host:port
	Token     func() (string, error) // secret ID of an ACL token, read for each call so that it can rotate; nil without ACL
	Region    string                 // empty for the agent's own
	Namespace string                 // "frama" when empty
	// Networks is the prefix of the nodes' networks, isolation.DefaultPrefix when empty.
	Networks string
	// Closed are public addresses that the nodes' firewall closes to instances.
	Closed []netip.Prefix
	// NodeNamespace is that of the volume plugin, "frama-node" when empty.
	NodeNamespace string
	TLS           TLS
	Policy        Policy        // ProductionPolicy() when it allows no driver
	Timeout       time.Duration // of one call; 10 s when zero
	// Oversubscribed says that more memory is promised than there is: jobs ask for less than they may grow to.
	Oversubscribed bool
	// Images says which images run instead of those that jobs name.
	Images catalogue.Images
}

// TLS are files and names for an agent behind https. All may be empty.
type TLS struct {
	CAFile, CertFile, KeyFile string
	ServerName                string
}

// Static is a token that never changes, or none when it is empty.
func Static(token string) func() (string, error) {
	return func() (string, error) { return token, nil }
}

// Cluster is a Nomad cluster. It is safe for concurrent use; one per cluster is enough and best, since agents count
// connections per address.
type Cluster struct {
	client  *api.Client
	options Options
	jobs    keyedMutex
	servers servers
}

var _ provisioner.Cluster = (*Cluster)(nil)

// New makes a cluster without talking to it.
func New(o Options) (*Cluster, error) {
	if o.Namespace == "" {
		o.Namespace = "frama"
	}
	if o.NodeNamespace == "" {
		o.NodeNamespace = "frama-node"
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if len(o.Policy.Drivers) == 0 {
		o.Policy = ProductionPolicy()
	}
	o.Policy.Networks = o.Networks
	if !strings.HasPrefix(o.Address, "http://") && !strings.HasPrefix(o.Address, "https://") {
		return nil, fmt.Errorf("nomad.address %q: write it as http://host:4646 or https://host:4646", o.Address)
	}
	httpClient, err := newHTTPClient(o.TLS)
	if err != nil {
		return nil, fmt.Errorf("TLS of nomad: check nomad.ca_file, cert_file and key_file: %w", err)
	}
	// An explicit Config: the client's own default one reads the environment.
	client, err := api.NewClient(&api.Config{
		Address: o.Address, Region: o.Region, Namespace: o.Namespace, HttpClient: httpClient,
	})
	if err != nil {
		return nil, fmt.Errorf("nomad.address %q: %w", o.Address, err)
	}
	return &Cluster{client: client, options: o}, nil
}

// newHTTPClient has no overall timeout: each call brings its own. An agent refuses more than 100 connections per
// address (HTTP 429), so frama keeps well below.
func newHTTPClient(files TLS) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 32
	transport.MaxIdleConnsPerHost = 32
	transport.TLSHandshakeTimeout = 10 * time.Second
	transport.ForceAttemptHTTP2 = false
	client := &http.Client{Transport: transport}
	err := api.ConfigureTLS(client, &api.TLSConfig{
		CACert: files.CAFile, ClientCert: files.CertFile, ClientKey: files.KeyFile, TLSServerName: files.ServerName,
	})
	if err != nil {
		return nil, fmt.Errorf("read the files: %w", err)
	}
	return client, nil
}

// read makes the options of one read. They are never shared: the client changes them.
func (c *Cluster) read(ctx context.Context) (*api.QueryOptions, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	return (&api.QueryOptions{Namespace: c.options.Namespace, AuthToken: token}).WithContext(ctx), nil
}

// write makes the options of one write.
func (c *Cluster) write(ctx context.Context) (*api.WriteOptions, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	return (&api.WriteOptions{Namespace: c.options.Namespace, AuthToken: token}).WithContext(ctx), nil
}

func (c *Cluster) token() (string, error) {
	if c.options.Token == nil {
		return "", nil
	}
	token, err := c.options.Token()
	if err != nil {
		return "", fmt.Errorf("read the token of nomad: check nomad.token_file: %w", err)
	}
	return token, nil
}

// keyedMutex serialises per key. The compare-and-set of Nomad's job registration was racy before 2.0.1, so one
// process never registers the same job twice at a time.
type keyedMutex struct {
	mu    sync.Mutex
	locks map[string]*keyLock
}

type keyLock struct {
	mu    sync.Mutex
	users int
}

func (k *keyedMutex) lock(key string) (unlock func()) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*keyLock{}
	}
	l := k.locks[key]
	if l == nil {
		l = &keyLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.mu.Lock()
	return func() {
		l.mu.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
}
