package edge

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// AgentOptions is what an Agent needs. Name, Server, Token, PublicKey, Dir, HTTP and HTTPS are required.
type AgentOptions struct {
	Name      string            // how frama calls this edge; 1 to 64 letters, digits, dots, dashes, underscores
	Server    string            // base URL of the Publisher; plain http on loopback only
	Token     string            // bearer token of the Publisher
	PublicKey ed25519.PublicKey // verifies snapshots
	Dir       string            // data folder; holds private keys, made with mode 0700

	HTTP, HTTPS string // listen addresses: IP:port, or :port for all
	// PublicPort is the port visitors reach HTTPS at, for redirects; 0 means that of HTTPS.
	PublicPort int
	HSTS       time.Duration // max-age of Strict-Transport-Security; 0 sends none

	HAProxy     string // binary; "haproxy" from PATH if empty
	User, Group string // that HAProxy's worker runs as when started by root; empty keeps the agent's
	// External means that a service manager runs HAProxy (with the arguments of HAProxyArgs): the agent writes files
	// and talks to its sockets, but never starts or stops it.
	External bool
	// StopHAProxy ends HAProxy with the agent, as a development environment wants. Else HAProxy goes on serving, and the
	// next agent takes it over.
	StopHAProxy bool

	Wait  time.Duration // a poll is held this long by the server; 50 s if 0, at most 55 s
	Retry time.Duration // first pause after a failed poll, doubled up to 30 s; 1 s if 0
	Check time.Duration // between two looks at HAProxy for drift; 30 s if 0

	Client *http.Client     // one with sound limits if nil
	Now    func() time.Time // time.Now if nil
	Log    *slog.Logger     // slog.Default() if nil
}

// Agent keeps one HAProxy in step with frama.
type Agent struct {
	opts    AgentOptions
	client  client
	layout  layout
	haproxy *haproxy
	ready   chan struct{}
}

// HAProxyArgs are the arguments a service manager must start HAProxy with for an External agent of this data folder.
func HAProxyArgs(dir string) ([]string, error) {
	l, err := newLayout(dir)
	if err != nil {
		return nil, err
	}
	return haproxyArgs(l), nil
}

// NewAgent checks the options and makes the data folder.
func NewAgent(o AgentOptions) (*Agent, error) {
	if !agentName.MatchString(o.Name) {
		return nil, errors.New("edge: the agent's name must be 1 to 64 letters, digits, dots, dashes or underscores")
	}
	server, err := checkServer(o.Server)
	if err != nil {
		return nil, err
	}
	if o.Token == "" {
		return nil, errors.New("edge: the token is missing: give the one frama publishes with")
	}
	if len(o.PublicKey) != ed25519.PublicKeySize {
		return nil, errors.New("edge: the public key is missing: give the one frama publishes with")
	}
	if _, err := checkListen(o.HTTP); err != nil {
		return nil, fmt.Errorf("edge: http: %w", err)
	}
	port, err := checkListen(o.HTTPS)
	if err != nil {
		return nil, fmt.Errorf("edge: https: %w", err)
	}
	if o.PublicPort == 0 {
		o.PublicPort = port
	}
	for _, account := range []string{o.User, o.Group} {
		if account != "" && !agentName.MatchString(account) {
			return nil, fmt.Errorf("edge: %q is not the name of a user or group", account)
		}
	}
	o = withDefaults(o)
	if o.Wait > maxWait {
		return nil, fmt.Errorf("edge: wait must be at most %s", maxWait)
	}
	l, err := newLayout(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	binary, err := exec.LookPath(o.HAProxy)
	if err != nil {
		return nil, fmt.Errorf("edge: HAProxy is not at %q: install it (version 2.6 or newer) or name its path: %w", o.HAProxy, err)
	}
	s := settings{layout: l, http: o.HTTP, https: o.HTTPS, publicPort: o.PublicPort, user: o.User, group: o.Group, hsts: o.HSTS}
	return &Agent{
		opts:    o,
		client:  client{server: server, token: o.Token, http: o.Client},
		layout:  l,
		haproxy: newHAProxy(s, binary, o.External, o.Log),
		ready:   make(chan struct{}),
	}, nil
}

func withDefaults(o AgentOptions) AgentOptions {
	if o.HAProxy == "" {
		o.HAProxy = "haproxy"
	}
	if o.Wait <= 0 {
		o.Wait = 50 * time.Second
	}
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	if o.Check <= 0 {
		o.Check = 30 * time.Second
	}
	if o.Client == nil {
		o.Client = newHTTPClient()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Ready is closed once HAProxy answers on its ports, with the last good snapshot or with none. An External agent does
// not wait for HAProxy.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// initial is the plan before anything came from frama: no routes, the default page, no ACME account.
func (a *Agent) initial() plan { return newPlan(provisioner.Snapshot{}, a.opts.Now()) }
