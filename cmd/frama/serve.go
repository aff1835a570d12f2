package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/provisioner/edge"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/web"
	"framagit.org/frama/frama/services/work"
)

func newServeCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", GroupID: "run", Args: cobra.NoArgs,
		Short: "Serves the form and the dashboard, sends mail, renews certificates, feeds the ingress",
		Long: `Serves the public form and the dashboard, sends the mails of the outbox, renews certificates and publishes the
snapshot that frama edge keeps. With worker.provision it also provisions approved spaces by itself; otherwise
ops runs frama provision.`,
		Example: "  frama serve\n  FRAMA_LISTEN=:8080 FRAMA_DATABASE_FILE=/run/secrets/database frama serve",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			return a.serve(cmd.Context(), nil)
		},
	}
	keyFlag(cmd.Flags(), "listen", "listen", "address of the pages")
	return cmd
}

// serve runs all of frama's services until ctx ends or one of them fails. ready is closed once the pages answer.
func (a *app) serve(ctx context.Context, ready chan<- struct{}) error {
	// Two servers on one SQLite file would each believe to be the only one; PostgreSQL is made for several.
	unlock, err := a.store.LockServer()
	if err != nil {
		return err
	}
	defer unlock()
	if err := a.control.AdoptPlans(ctx); err != nil { // a plan that the catalogue got since the last migration
		return err
	}
	pages, err := listen(a.config.Listen, "listen")
	if err != nil {
		return err
	}
	defer pages.Close()
	edges, err := listen(a.config.Edge.Listen, "edge.listen")
	if err != nil {
		return err
	}
	defer edges.Close()
	words, err := locale.Load()
	if err != nil {
		return err
	}
	p, err := a.provisioner()
	if err != nil {
		return err
	}
	observed, err := a.observed(ctx)
	if err != nil {
		return err
	}
	defer a.closeTelemetry(observed)
	site, err := web.New(web.Options{
		Around:  observed.Request,
		Control: a.control, Locale: words, PublicURL: a.config.PublicURL, TrustedProxies: a.config.TrustedProxies,
		FormLimitPerMinute: a.config.FormLimit, SigningKey: a.seal.Derive("forms", 32), HostName: a.config.Host.Name,
		CharterURL: a.config.Host.CharterURL, Log: a.log, Version: version(),
		Secure: strings.HasPrefix(a.config.PublicURL, "https://"),
	})
	if err != nil {
		return err
	}
	publisher, err := edge.NewPublisher(edge.PublisherOptions{
		Source: p.Snapshot, Version: p.SnapshotVersion, Ack: p.EdgeReported, Key: a.edgeKey(), Token: a.edgeToken(), Log: a.log,
	})
	if err != nil {
		return err
	}
	outbox, err := a.outbox(words)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if err := a.serveMetrics(ctx, group, observed); err != nil {
		return err
	}
	group.Go(func() error { return site.Listener(pages) })
	group.Go(func() error { return serveHTTP(ctx, edges, publisher) })
	group.Go(func() error { return outbox.Run(ctx) })
	group.Go(func() error { return p.Renew(ctx, time.Minute) })
	group.Go(func() error { return p.Watch(ctx) })
	if err := a.keepUsage(ctx, group, observed); err != nil {
		return err
	}
	a.keepRetention(ctx, group, p.Cluster)
	group.Go(func() error { return p.Enforce(ctx, 15*time.Second) })
	group.Go(func() error { return p.WatchCapacity(ctx, a.noteCapacity) })
	if a.config.Worker.Provision {
		worker := a.worker("serve", p.Definitions())
		worker.Around = observed.Step
		group.Go(func() error { return worker.Run(ctx) })
	}
	group.Go(func() error {
		<-ctx.Done()
		publisher.Close()
		return site.ShutdownWithTimeout(10 * time.Second)
	})
	a.log.Info("frama serves", "pages", a.config.PublicURL, "listen", pages.Addr().String(), "edge", edges.Addr().String(),
		"database", a.store.Dialect(), "provisions", a.config.Worker.Provision)
	if ready != nil {
		close(ready)
	}
	err = group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// noteCapacity keeps what the cluster was seen to have, and admits requests that waited for it.
func (a *app) noteCapacity(ctx context.Context, seen hosting.Capacity) error {
	if err := a.control.ObserveCluster(ctx, seen); err != nil {
		return err
	}
	admitted, err := a.control.AdmitWaiting(ctx)
	if admitted > 0 {
		a.log.Info("requests that waited for room were approved", "count", admitted)
	}
	return err
}

func (a *app) worker(name string, defs []work.Definition) *work.Worker {
	host, _ := os.Hostname()
	return &work.Worker{
		Name: fmt.Sprintf("%s@%s/%d", name, host, os.Getpid()), Journal: a.store, Definitions: defs,
		Concurrency: a.config.Worker.Concurrency, Lease: a.config.Worker.Lease, Now: now, Log: a.log,
	}
}

func (a *app) sender() (*mail.Sender, error) {
	s := a.config.SMTP
	return mail.NewSender(mail.Options{
		Host: s.Host, Port: s.Port, TLS: mail.TLS(s.TLS), Username: s.Username, From: s.From, ReplyTo: s.ReplyTo, Timeout: s.Timeout,
		Password: func() (string, error) { return s.Password, nil },
	})
}

func (a *app) outbox(words *locale.Locale) (*mail.Outbox, error) {
	sender, err := a.sender()
	if err != nil {
		return nil, usageError{err}
	}
	renderer, err := mail.NewRenderer(mail.RenderOptions{Host: a.config.Host.Name, Links: a.links(), Locale: words})
	if err != nil {
		return nil, err
	}
	return &mail.Outbox{Store: a.store, Sender: sender, Renderer: renderer, Log: a.log, Now: now}, nil
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listen opens a port and names the key to change when it is taken.
func listen(address, key string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: stop what uses the port, or choose another with %s", key, err, key)
	}
	return l, nil
}
