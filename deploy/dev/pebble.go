package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// PebbleOptions say where the ACME test server listens and which ports it validates.
type PebbleOptions struct {
	Data string // the platform's folder; Pebble has pebble/ in it

	// EdgeHTTP and EdgeTLS are the ports of 127.0.0.1 at which the names under validation are asked: the edge's.
	EdgeHTTP, EdgeTLS int

	// Number 0: one that is free, and at later starts the same one again.
	Directory, Management, DNS, DNSManagement Port

	// RejectNonces is how many of 100 valid nonces are refused, which every client has to bear with. 0 for none.
	RejectNonces int
}

// Pebble is a running ACME server (RFC 8555) for tests, and a DNS server that answers 127.0.0.1 for every name, from
// which alone Pebble knows names.
//
// Pebble keeps everything in memory. At each start it has forgotten all accounts and orders, and makes a new root and
// intermediate. So a client that kept its account is told accountDoesNotExist and has to register its key again, and
// certificates of earlier starts do not chain to the present root. They are not wrong for that: RootsFile gathers the
// roots of all starts, whoever trusts that file (tests, curl --cacert) verifies old and new ones alike, and nothing has
// to be issued anew at each start.
type Pebble struct {
	Directory     string // URL of the ACME directory
	Management    string // URL of Pebble's management interface: /roots/0, /intermediates/0, …
	DNS           string // host:port of the DNS server
	DNSManagement string // URL of pebble-challtestsrv's interface: POST /set-default-ipv4, /set-txt, /set-servfail, …
	DirectoryCA   string // file (PEM) of the authority of the directory's and the management's own HTTPS
	RootsFile     string // file (PEM) of the roots of this start and all earlier ones

	client      *http.Client
	server, dns *Process
}

// StartPebble starts both servers and returns when the directory answers and RootsFile has the present root.
func StartPebble(ctx context.Context, o PebbleOptions) (*Pebble, error) {
	dir := filepath.Join(absolute(o.Data), "pebble")
	if err := resolvePorts(filepath.Join(dir, "ports.json"), &o.Directory, &o.Management, &o.DNS, &o.DNSManagement); err != nil {
		return nil, fmt.Errorf("start pebble: %w", err)
	}
	p := &Pebble{
		Directory:     "https://" + o.Directory.Address() + "/dir",
		Management:    "https://" + o.Management.Address(),
		DNS:           o.DNS.Address(),
		DNSManagement: "http://" + o.DNSManagement.Address(),
		RootsFile:     filepath.Join(dir, "roots.pem"),
	}
	own, err := loopbackCertificate(dir)
	if err != nil {
		return nil, fmt.Errorf("start pebble: %w", err)
	}
	p.DirectoryCA = own.authority
	if p.client, err = own.httpClient(); err != nil {
		return nil, fmt.Errorf("start pebble: %w", err)
	}
	if err := p.start(ctx, dir, o, own); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Pebble) start(ctx context.Context, dir string, o PebbleOptions, own certificate) error {
	config, err := writePebbleConfig(dir, o, own)
	if err != nil {
		return err
	}
	names, err := Tool("pebble-challtestsrv")
	if err != nil {
		return err
	}
	binary, err := Tool("pebble")
	if err != nil {
		return err
	}
	p.dns, err = Start(ctx, Command{
		Name: "pebble-dns", Path: names, Data: filepath.Join(absolute(o.Data), "pebble-dns"), Ready: dials(o.DNSManagement.Address()),
		// No challenge servers of its own: the edge answers challenges.
		Args: []string{
			"-dnsserver", p.DNS, "-management", o.DNSManagement.Address(), "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
			"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		},
	})
	if err != nil {
		return err
	}
	p.server, err = Start(ctx, Command{
		Name: "pebble", Path: binary, Data: dir, Args: []string{"-config", config, "-dnsserver", p.DNS},
		// Without the first, Pebble waits up to 5 s before each validation.
		Env:   []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=" + strconv.Itoa(o.RejectNonces)},
		Ready: func(ctx context.Context) error { _, err := get(ctx, p.client, p.Directory); return err },
	})
	if err != nil {
		return err
	}
	root, err := p.Roots(ctx)
	if err != nil {
		return err
	}
	return appendRoots(p.RootsFile, root)
}

// writePebbleConfig writes Pebble's configuration. Certificates last 90 days, as those of Let's Encrypt's usual profile
// did for years; shortlived is there for trying renewal.
func writePebbleConfig(dir string, o PebbleOptions, own certificate) (string, error) {
	profile := func(description string, validity time.Duration) map[string]any {
		return map[string]any{"description": description, "validityPeriod": int(validity.Seconds())}
	}
	text, err := json.MarshalIndent(map[string]any{"pebble": map[string]any{
		"listenAddress":           o.Directory.Address(),
		"managementListenAddress": o.Management.Address(),
		"certificate":             own.file,
		"privateKey":              own.key,
		"httpPort":                o.EdgeHTTP,
		"tlsPort":                 o.EdgeTLS,
		"keyAlgorithm":            "ecdsa",
		"retryAfter":              map[string]int{"authz": 1, "order": 1}, // seconds
		"profiles": map[string]any{
			"default":    profile("90 days", 90*24*time.Hour),
			"shortlived": profile("6 days", 6*24*time.Hour),
		},
	}}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write pebble's configuration: %w", err)
	}
	path := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return "", fmt.Errorf("write pebble's configuration: %w", err)
	}
	return path, nil
}

// Roots asks for the root of this start, PEM.
func (p *Pebble) Roots(ctx context.Context) ([]byte, error) {
	root, err := get(ctx, p.client, p.Management+"/roots/0")
	if err != nil {
		return nil, fmt.Errorf("ask pebble for its root: %w", err)
	}
	return root, nil
}

// Exited is closed when the ACME server has ended.
func (p *Pebble) Exited() <-chan struct{} { return p.server.Exited() }

// Err says how the ACME server ended; nil while it runs.
func (p *Pebble) Err() error { return p.server.Err() }

// Stop ends both servers. It may be called more than once.
func (p *Pebble) Stop() {
	for _, process := range []*Process{p.server, p.dns} {
		if process != nil {
			process.Stop()
		}
	}
}
