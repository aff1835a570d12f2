package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/provisioner/isolation"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/seal"
)

// platform is the parts that frama dev and frama catalogue test start beside frama itself.
type platform struct {
	cli     *cli
	options devOptions
	needs   []string // backing services to start, as far as this machine has them
	engine  *dev.Engine
	images  catalogue.Images
	// Networks of instances, and the image that holds one which tasks share; nothing without an engine.
	firewall isolation.Config
	infra    string
	nomad    *dev.Nomad
	pebble   *dev.Pebble
	mailbox  *dev.Maildev
	backingServers

	saying sync.Mutex // parts are started at once, and each says how far it is
}

func (p *platform) say(format string, args ...any) {
	p.saying.Lock()
	defer p.saying.Unlock()
	fmt.Fprintf(p.cli.out, format, args...)
}

// start starts the parts, at once where they do not need each other.
func (p *platform) start(ctx context.Context) error {
	o := p.options
	for _, port := range []dev.Port{
		{Number: o.pages, Option: "--pages-port"}, {Number: o.http, Option: "--http-port"}, {Number: o.https, Option: "--https-port"},
	} {
		if err := port.Check(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(o.data, "log"), 0o711); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := p.useEngine(ctx); err != nil {
		return err
	}
	if o.frama == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the frama binary: %w", err)
		}
		o.frama = self
	}
	p.describeImages()
	if err := p.startFirewall(ctx); err != nil {
		return err
	}
	docker := ""
	if p.engine != nil {
		docker = p.engine.Socket
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		defer p.timed("Nomad, the scheduler")(&err)
		p.nomad, err = dev.StartNomad(ctx, dev.NomadOptions{
			Data: filepath.Join(o.data, "nomad"), HTTP: o.nomadPort(0), RPC: o.nomadPort(1), Serf: o.nomadPort(2),
			Docker: docker, CNI: p.firewall.CNI, InfraImage: p.infra, Frama: o.frama, Volumes: o.volumes, KeepSizes: o.volumes != "", Progress: func(text string) { p.say("  Nomad: %s\n", text) },
		})
		return err
	})
	group.Go(func() (err error) {
		defer p.timed("Pebble, the ACME test server")(&err)
		p.pebble, err = dev.StartPebble(ctx, dev.PebbleOptions{Data: o.data, EdgeHTTP: o.http, EdgeTLS: o.https})
		return err
	})
	group.Go(func() (err error) {
		defer p.timed("maildev, the mailbox")(&err)
		p.mailbox, err = dev.StartMaildev(ctx, dev.MaildevOptions{Data: o.data, Web: dev.Port{Number: o.mailP, Option: "--mail-port"}, Address: p.options.address})
		return err
	})
	p.startBacking(ctx, group)
	return group.Wait()
}

// nomadPort is one of the three ports of Nomad, which follow each other; with 0 each is any that is free.
func (o devOptions) nomadPort(n int) dev.Port {
	port := dev.Port{Number: o.nomad, Option: "--nomad-port"}
	if o.nomad != 0 {
		port.Number += n
	}
	return port
}

// timed says that a part started and how long it took.
func (p *platform) timed(what string) func(*error) {
	start := now()
	p.say("  starting %s…\n", what)
	return func(err *error) {
		if *err == nil {
			p.say("  %-32s ready after %4.1f s\n", what, now().Sub(start).Seconds())
		}
	}
}

// stop ends the parts; what tasks hold is written first.
func (p *platform) stop() error {
	fmt.Fprintln(p.cli.out, "Stopping; the data stays in "+p.options.data)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	if p.nomad != nil {
		err = p.nomad.Stop(ctx)
	}
	if p.pebble != nil {
		p.pebble.Stop()
	}
	if p.mailbox != nil {
		p.mailbox.Stop()
	}
	p.stopBacking() // after the tasks that write to them
	err = errors.Join(err, p.removeFirewall(ctx))
	if p.engine != nil {
		err = errors.Join(err, p.engine.Leave())
	}
	return err
}

// running runs frama and its ingress agent on the platform while do runs, until one of them ends or ctx does.
func (p *platform) running(ctx context.Context, conf config, do func(ctx context.Context, a *app) error) error {
	logs, err := os.OpenFile(filepath.Join(p.options.data, "log", "frama.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("frama's log: %w", err)
	}
	defer logs.Close()
	inner := &cli{in: p.cli.in, out: p.cli.out, err: logs, environ: p.cli.environ}
	a, err := inner.wire(ctx, conf, seal.LoadOrMake)
	if err != nil {
		return err
	}
	defer a.store.Close()
	if _, err := a.migrate(ctx); err != nil {
		return err
	}
	agent, err := inner.edgeAgent(conf, true)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan struct{})
	group.Go(func() error { return a.serve(ctx, ready) })
	group.Go(func() error { return agent.Run(ctx) })
	group.Go(func() error { return p.watch(ctx) })
	group.Go(func() error { return p.keepFirewall(ctx, conf, a.log) })
	group.Go(func() error {
		defer cancel()
		for _, started := range []<-chan struct{}{ready, agent.Ready()} {
			select {
			case <-started:
			case <-ctx.Done():
				return nil
			}
		}
		return do(ctx, a)
	})
	err = group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// watch ends with an error when a part dies.
func (p *platform) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.nomad.Process.Exited():
		return errors.Join(errors.New("Nomad ended"), p.nomad.Process.Err()) //nolint:staticcheck // a name
	case <-p.pebble.Exited():
		return errors.Join(errors.New("Pebble ended"), p.pebble.Err()) //nolint:staticcheck // a name
	case <-p.mailbox.Exited():
		return errors.Join(errors.New("maildev ended"), p.mailbox.Err())
	case err := <-p.backingExited(ctx):
		return err
	}
}

func (p *platform) configFile() string { return filepath.Join(p.options.data, "frama.toml") }

// writeConfig writes the configuration that every frama command can use on this platform, and reads it back.
func (p *platform) writeConfig() (config, error) {
	o := p.options
	local := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	host, port, err := splitPort(p.mailbox.SMTPAddr)
	if err != nil {
		return config{}, err
	}
	edgePort, err := dev.FreePort() // between frama and its ingress agent
	if err != nil {
		return config{}, err
	}
	text := "# Written at each start of frama dev; a change here lasts until the next.\n" + tomlTable("",
		"listen", local(o.pages), "public_url", "http://localhost:"+strconv.Itoa(o.pages),
		"database", "sqlite:"+filepath.Join(o.data, "frama.db"),
	) + tomlTable("host", "name", "Les Chatons de la demo") +
		tomlTable("platform", "domain", "frama.localhost", "https_port", o.https) +
		tomlTable("seal", "key_file", filepath.Join(o.data, "seal.key")) +
		tomlTable("nomad", "address", p.nomad.Address, "token_file", p.nomad.TokenFile, "namespace", p.nomad.Namespace, "development", true) +
		tomlTable("acme", "directory", p.pebble.Directory, "ca_file", p.pebble.DirectoryCA, "roots_file", p.pebble.RootsFile,
			"edge_address", local(o.http)) +
		tomlTable("edge", "listen", local(edgePort), "server", "http://"+local(edgePort), "name", "dev", "data", filepath.Join(o.data, "edge"),
			"http", local(o.http), "https", local(o.https), "probe_address", local(o.https),
			"addresses", p.ingress()) +
		tomlTable("smtp", "host", host, "port", port, "tls", "none", "from", "frama <frama@frama.localhost>") +
		p.imagesConfig() + p.firewallConfig() +
		// Who tries things out sees what they use within a minute.
		tomlTable("usage", "every", "1m", "archive", filepath.Join(o.data, "archive")) + p.backingConfig()
	if err := os.WriteFile(p.configFile(), []byte(text), 0o600); err != nil {
		return config{}, fmt.Errorf("write the configuration: %w", err)
	}
	return loadConfig(p.configFile(), p.cli.environ, nil)
}

// describe prints where to look.
func (p *platform) describe(conf config, begun time.Time) {
	fmt.Fprintf(p.cli.out, `
The platform is ready after %.1f s.
  form        %s/request
  dashboard   %s/admin   (%s, password %s)
  mailbox     %s
  Nomad       %s   (token: %s)
  commands    frama --config %s …

`, now().Sub(begun).Seconds(), conf.PublicURL, conf.PublicURL, devEmail, devPassword, p.mailbox.WebURL, p.nomad.Address,
		p.nomad.TokenFile, p.configFile())
}

// journey plays the way of a request; when its space is there from an earlier start, it shows that it still answers.
func (p *platform) journey(ctx context.Context, a *app, conf config) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the frama binary: %w", err)
	}
	j := journey.Journey{
		PublicURL: conf.PublicURL, Mailbox: journey.Mailbox{URL: p.mailbox.WebURL},
		Staff: journey.Staff{Email: devEmail, Password: devPassword}, Request: journey.Sample(p.options.name),
		Frama: []string{self, "--config", p.configFile()}, Ingress: conf.Edge.HTTPS, RootsFile: conf.ACME.RootsFile, Out: p.cli.out,
	}
	j.Request.Kinds = nil // all that this platform offers
	start := now()
	var result journey.Result
	known, err := a.control.Space(ctx, p.cli.actor(), p.options.name)
	switch {
	case err == nil && known.Space.State == hosting.SpaceActive:
		fmt.Fprintf(p.cli.out, "The space %s is there from an earlier start.\n", p.options.name)
		result.Addresses, err = addresses(known), j.Answers(ctx, addresses(known))
	case err == nil:
		fmt.Fprintf(p.cli.out, "The space %s is there from an earlier start, %s: going on with it.\n", p.options.name, known.Space.State)
		if err = j.Provision(ctx, &result); err == nil {
			result.Addresses, err = addresses(known), j.Answers(ctx, addresses(known))
		}
	case hosting.CodeOf(err) == hosting.NotFound:
		result, err = j.Go(ctx)
	}
	if err != nil {
		fmt.Fprintf(p.cli.out, "FAILED after %.1f s: %v\n", now().Sub(start).Seconds(), err)
		return err
	}
	fmt.Fprintf(p.cli.out, "\nDone in %.1f s. Open:\n", now().Sub(start).Seconds())
	if result.TrackURL != "" {
		fmt.Fprintln(p.cli.out, "  what the association sees  "+result.TrackURL)
	}
	for _, address := range result.Addresses {
		fmt.Fprintln(p.cli.out, "  its space                  "+address)
	}
	fmt.Fprintf(p.cli.out, "The certificates are from the test authority in %s; a browser warns until it trusts that.\n", conf.ACME.RootsFile)
	p.describeKinds(a.catalogue, a.control.Offer().Kinds)
	return nil
}

func addresses(v control.SpaceView) []string {
	var list []string
	for _, i := range v.Instances {
		list = append(list, i.URL)
	}
	return list
}
