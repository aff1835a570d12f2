package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/acme"
	"framagit.org/frama/frama/provisioner/nomad"
	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store"
)

// app is frama wired up, without anything running.
type app struct {
	config    config
	log       *slog.Logger
	seal      *seal.Key
	store     *store.Store
	catalogue *catalogue.Catalogue
	control   *control.Control
}

// load reads the configuration only.
func (c *cli) load() (config, error) {
	return loadConfig(c.file, c.environ, c.flags)
}

// open reads the configuration and opens the database, which must have this binary's schema.
func (c *cli) open(ctx context.Context) (*app, error) {
	conf, err := c.load()
	if err != nil {
		return nil, err
	}
	a, err := c.wire(ctx, conf, seal.Load)
	if err != nil {
		return nil, err
	}
	if err := a.checkSchema(ctx); err != nil {
		_ = a.store.Close()
		return nil, err
	}
	if err := a.store.Read(ctx, (*store.Tx).CheckSeal); err != nil {
		_ = a.store.Close()
		return nil, err
	}
	return a, nil
}

// wire connects the parts; the database may still lack its schema. Only what sets frama up makes a seal key: a new one
// beside an old database would open nothing in it.
func (c *cli) wire(ctx context.Context, conf config, sealKey func(path string) (*seal.Key, error)) (*app, error) {
	a := &app{config: conf, log: c.logger(conf)}
	var err error
	if a.catalogue, err = catalogue.Load(conf.Catalogue.folders()...); err != nil {
		return nil, usageError{err}
	}
	a.catalogue = a.catalogue.WithImages(conf.Catalogue.images())
	if a.seal, err = sealKey(conf.Seal.KeyFile); err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(conf.Database, "sqlite:"); ok {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("folder of the database: %w", err)
		}
		if err := private(path); err != nil {
			return nil, err
		}
	}
	a.store, err = store.Open(ctx, conf.Database, store.Options{Now: now, NewID: newID, Seal: a.seal, Hook: c.hook})
	if err != nil {
		return nil, err
	}
	a.control = control.New(a.store, a.catalogue, control.Options{
		Platform: conf.Platform.Domain, HTTPSPort: conf.Platform.HTTPSPort, PublicURL: conf.PublicURL, HostName: conf.Host.Name,
		CharterURL: conf.Host.CharterURL, CharterVersion: conf.Host.CharterVersion, Reserved: conf.ReservedNames,
		LinkKey: a.seal.Derive("links", 32), SessionTTL: time.Duration(conf.SessionHours) * time.Hour,
		Offer: conf.Catalogue.Offer, Development: conf.Nomad.Development, SharedPlan: conf.Catalogue.SharedPlan,
		HostEmail: conf.SMTP.contact(), Cluster: conf.Nomad.Cluster,
		Overcommit: a.overcommit(),
		Cost:       control.Cost(conf.Cost), Now: now, NewID: newID,
	})
	if err := a.control.CheckOffer(); err != nil {
		_ = a.store.Close()
		return nil, usageError{fmt.Errorf("configuration: %w", err)}
	}
	return a, nil
}

// private makes the file of a new database so that only frama's user reads it, whatever folder it is in; the files that
// SQLite keeps beside it get the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrExist): // not to be opened and closed beside SQLite: that would give up its locks
		return nil
	}
	return fmt.Errorf("make the SQLite database (its folder must be writable for frama): %w", err)
}

func (a *app) checkSchema(ctx context.Context) error {
	current, wanted, err := a.store.SchemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case current < wanted:
		return fmt.Errorf("the database has schema version %d, this frama needs %d: run frama migrate", current, wanted)
	case current > wanted:
		return fmt.Errorf("the database has schema version %d, this frama knows %d: run a newer frama", current, wanted)
	}
	return nil
}

func (a *app) links() auth.Links {
	return auth.Links{Key: a.seal.Derive("links", 32), PublicURL: a.config.PublicURL}
}

// edgeToken is what agents prove themselves with.
func (a *app) edgeToken() string {
	if a.config.Edge.Token != "" {
		return a.config.Edge.Token
	}
	return base64.RawURLEncoding.EncodeToString(a.seal.Derive("edge token", 32))
}

// edgeKey signs what agents get.
func (a *app) edgeKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(a.seal.Derive("edge signature", ed25519.SeedSize))
}

// cluster connects to Nomad.
func (a *app) cluster() (*nomad.Cluster, error) {
	n := a.config.Nomad
	policy := nomad.ProductionPolicy()
	if n.Development {
		policy = nomad.DevelopmentPolicy()
	}
	firewall, err := a.config.firewall()
	if err != nil {
		return nil, err
	}
	return nomad.New(nomad.Options{
		Address: n.Address, Token: nomad.Static(n.Token), Region: n.Region, Namespace: n.Namespace, NodeNamespace: n.NodeNamespace, TLS: n.tls(),
		Policy: policy, Oversubscribed: a.config.Capacity.OvercommitMemory > 1,
		Images: a.config.Catalogue.images(), Networks: firewall.Prefix, Closed: firewall.Closed(),
	})
}

func (a *app) issuer() (*acme.Issuer, error) {
	c := a.config.ACME
	acme.LogTo(a.log)
	return acme.New(acme.Options{
		Directory: c.Directory, Email: c.Email, CAFile: c.CAFile, EABKeyID: c.EABKeyID, EABHMAC: c.EABHMAC,
		EdgeHTTP: c.EdgeAddress, Accounts: accounts{a.store}, Log: a.log,
	})
}

// provisioner wires what executes runs.
func (a *app) provisioner() (*provisioner.Provisioner, error) {
	cluster, err := a.cluster()
	if err != nil {
		return nil, err
	}
	issuer, err := a.issuer()
	if err != nil {
		return nil, err
	}
	probe, err := a.probeClient()
	if err != nil {
		return nil, err
	}
	conf := a.config
	servers, err := conf.backing()
	if err != nil {
		return nil, err
	}
	return &provisioner.Provisioner{
		Backing: servers, Requests: a.setupRequests(cluster),
		Store: a.store, Catalogue: a.catalogue, Cluster: cluster, Issuer: issuer, Probe: probe, Log: a.log, Now: now,
		Options: provisioner.Options{
			ClusterName: conf.Nomad.Cluster, Platform: conf.Platform.Domain,
			PortMin: conf.Ports.Min, PortMax: conf.Ports.Max, URL: a.control.URL,
			MailDomain: a.control.MailDomain(), HealthyWithin: conf.Worker.Healthy, Registry: conf.Catalogue.Registry,
			Ingress:    conf.Edge.Addresses,
			Overcommit: a.overcommit(),
		},
	}, nil
}

// probeClient asks spaces as a visitor would, through the ingress.
func (a *app) probeClient() (*http.Client, error) {
	roots, err := trusted("acme.roots_file", a.config.ACME.RootsFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if a.config.Edge.ProbeAddress != "" {
				address = a.config.Edge.ProbeAddress
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	return &http.Client{Transport: transport, Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}, nil
}

// trusted is the system's authorities and those in the file of a key, where it names one.
func trusted(key, file string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if file == "" {
		return roots, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM", key, file)
	}
	return roots, nil
}

// accounts keeps ACME accounts sealed in the store.
type accounts struct{ store *store.Store }

func (a accounts) LoadAccount(ctx context.Context, directory string) (account []byte, err error) {
	err = a.store.Read(ctx, func(tx *store.Tx) error {
		account, err = tx.SealedSetting("acme/" + directory)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, acme.ErrNoAccount
	}
	return account, err
}

func (a accounts) SaveAccount(ctx context.Context, directory string, account []byte) error {
	return a.store.Write(ctx, func(tx *store.Tx) error {
		known, err := tx.SealedSetting("acme/" + directory)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		case !acme.SameKey(known, account):
			return nil
		}
		return tx.SetSealedSetting("acme/"+directory, account)
	})
}
