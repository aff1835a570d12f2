package provisioner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// certificate gets a certificate for each host name that has none. One host a certificate: a name that fails does not
// hold up the others, and no certificate lists what else an association has.
func (p *Provisioner) certificate(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	failures := make([]error, len(s.instances))
	for n, i := range s.instances {
		all.Go(func() { failures[n] = p.ensureCertificate(ctx, i.Host) })
	}
	all.Wait()
	return nil, errors.Join(failures...)
}

// ensureCertificate orders a certificate unless one that will do is stored. A stored one is never ordered again, and
// one that failed not before its time: authorities count failures, and whoever calls frama provision may call it often.
func (p *Provisioner) ensureCertificate(ctx context.Context, host string) error {
	var c hosting.Certificate
	err := p.Store.Write(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.WantCertificate(host)
		return err
	})
	if err != nil {
		return err
	}
	if c.State == hosting.CertificateValid && p.Now().Before(c.NotAfter) {
		return nil
	}
	if wait := c.RenewAt.Sub(p.Now()); c.State == hosting.CertificateWanted && wait > 0 {
		return &TemporaryError{After: wait, Reason: fmt.Sprintf("the certificate of %s is ordered again at %s: %s",
			host, c.RenewAt.Format(time.TimeOnly+" MST"), c.LastError)}
	}
	return p.issue(ctx, c)
}

// issue orders a certificate and keeps it. A failure is kept with it too, where people look. What the authority
// answered is written down also when frama is asked to stop meanwhile: the order counts there in any case.
func (p *Provisioner) issue(ctx context.Context, c hosting.Certificate) error {
	var replaces []byte
	if c.ChainPEM != "" {
		replaces = []byte(c.ChainPEM)
	}
	issued, err := p.Issuer.Issue(ctx, c.Host, replaces)
	if err != nil && ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err != nil {
		after := RenewalBackoff(c.Attempts)
		var temporary *TemporaryError
		switch {
		case errors.Is(err, store.ErrUnreachable), errors.Is(err, store.ErrDiskFull):
			return fmt.Errorf("certificate of %s: %w", c.Host, err) // the account could not be read or kept: nobody was asked
		case unasked(err) && c.State == hosting.CertificateWanted:
			after = 0 // whoever mends it need not wait
		case errors.As(err, &temporary) && temporary.After > 0:
			after = temporary.After
		case errors.As(err, &temporary):
			after = min(after, time.Minute)
		default:
			// The authority said no. Asking again uses up its patience (five failed validations an hour at Let's Encrypt).
			err = &RefusedError{Reason: fmt.Sprintf("the authority refuses a certificate for %s", c.Host), Err: err}
		}
		noted := p.Store.Write(ctx, func(tx *store.Tx) error {
			return tx.FailCertificate(c.ID, err.Error(), tx.Now.Add(after))
		})
		return errors.Join(fmt.Errorf("certificate of %s: %w", c.Host, err), noted)
	}
	c.ChainPEM, c.CertURL, c.NotBefore, c.NotAfter = string(issued.ChainPEM), issued.URL, issued.NotBefore, issued.NotAfter
	c.RenewAt = RenewAt(issued.NotBefore, issued.NotAfter)
	return p.Store.Write(ctx, func(tx *store.Tx) error { return tx.SaveCertificate(c, issued.KeyPEM) })
}

// unasked says that nothing reached the authority, so that asking again uses up none of its patience: nobody answered
// at its address, or not with a certificate that is trusted.
func unasked(err error) bool {
	var connection *net.OpError
	var stranger *tls.CertificateVerificationError
	return errors.As(err, &connection) && connection.Op == "dial" || errors.As(err, &stranger)
}

// edgeSilence is how long an ingress agent may be silent before nobody waits for it; agents report every half minute.
const edgeSilence = 90 * time.Second

// route makes the ingress send traffic to the instances, and waits until every agent that is alive has applied it.
func (p *Provisioner) route(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	if len(s.instances) == 0 {
		return nil, nil // all it has is shared, and routed already
	}
	addresses, err := p.addresses(ctx, s.instances)
	if err != nil {
		return nil, err
	}
	var version int64
	var edges []store.EdgeSeen
	err = p.Store.Write(ctx, func(tx *store.Tx) error {
		for _, i := range s.instances {
			if err := tx.SetInstanceHealth(i.ID, hosting.HealthHealthy); err != nil {
				return err
			}
			if err := tx.Route(i.ID, addresses[i.ID]); err != nil {
				return err
			}
		}
		if version, err = tx.EdgeVersion(); err != nil {
			return err
		}
		edges, err = tx.EdgesSince(tx.Now.Add(-edgeSilence))
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(edges) == 0 {
		return nil, work.Later(time.Second, "no ingress agent reports: start frama edge on each ingress node")
	}
	for _, e := range edges {
		if e.Version < version {
			return nil, work.Later(100*time.Millisecond, fmt.Sprintf("the ingress %s applies the route %s", e.Name, e.Problem))
		}
	}
	return map[string]any{"edges": len(edges)}, nil
}

// addresses returns where the ingress reaches each instance.
func (p *Provisioner) addresses(ctx context.Context, instances []hosting.Instance) (map[string]string, error) {
	out := map[string]string{}
	for _, i := range instances {
		address, err := p.Cluster.Address(ctx, i.Job)
		if err != nil {
			return nil, fmt.Errorf("address of %s: %w", i.Kind, err)
		}
		out[i.ID] = address
	}
	return out, nil
}

// probe asks each instance for its health page as a visitor would: by name, over HTTPS, through the ingress.
func (p *Provisioner) probe(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	for _, i := range s.instances {
		app, err := p.app(i)
		if err != nil {
			return nil, err
		}
		health := app.Run().Health
		if problem := p.ask(ctx, p.Options.URL(i.Host)+health.Path, health.Status); problem != "" {
			return nil, work.Later(500*time.Millisecond, fmt.Sprintf("%s does not answer through the ingress yet: %s", i.Host, problem))
		}
	}
	return nil, nil
}

// ask gets a page and says what is wrong with the answer, or "".
func (p *Provisioner) ask(ctx context.Context, url string, status int) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := p.Probe.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode != status {
		return fmt.Sprintf("status %d instead of %d", resp.StatusCode, status)
	}
	return ""
}

// activate opens the space and mails its addresses, once: the mail is written with the change of state. Nobody waits for a
// mail about the host's own spaces, but those that share them go on.
func (p *Provisioner) activate(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	if s.space.State != hosting.SpaceActive {
		if err := p.readyToOpen(ctx, s.instances); err != nil {
			return nil, err
		}
	}
	return nil, p.Store.Write(ctx, func(tx *store.Tx) error {
		moved, err := tx.MoveSpace(s.space.ID, hosting.SpaceActive)
		if err != nil || !moved {
			return err
		}
		if err := tx.Audit(hosting.Actor{Name: "frama"}, "space.activate", "space:"+s.space.ID, s.space.Handle); err != nil {
			return err
		}
		if s.space.Shared {
			return tx.WakeTenants(s.space.ID)
		}
		return p.welcome(tx, s)
	})
}

// readyToOpen asks instances for proof that their first start went to its end: one that was interrupted answers its health
// page, and has no administrator. Nobody can sign in yet who could have changed anything.
func (p *Provisioner) readyToOpen(ctx context.Context, instances []hosting.Instance) error {
	for _, i := range instances {
		app, err := p.app(i)
		if err != nil {
			return err
		}
		opening := app.Run().Check.Opening
		if len(opening) == 0 {
			continue
		}
		if err := p.setUpByRequests(ctx, i, opening); err != nil {
			return fmt.Errorf("%s is not ready to open: its installation may be incomplete (nomad alloc logs of job %s): %w", i.Kind, i.Job, err)
		}
	}
	return nil
}

// welcome writes the mail that lists what the space has, and what it shares with others.
func (p *Provisioner) welcome(tx *store.Tx, s subject) error {
	shared, err := tx.SharedInstances(s.space.ID)
	if err != nil {
		return err
	}
	var list []mail.Address
	for _, i := range slices.Concat(s.instances, shared) {
		app, err := p.app(i)
		if err != nil {
			return err
		}
		list = append(list, mail.Address{Title: app.Title(s.space.Lang), URL: p.Options.URL(i.Host) + app.FirstURL})
	}
	addresses, err := mail.EncodeAddresses(list)
	if err != nil {
		return err
	}
	q, err := tx.Request(s.space.RequestID)
	if err != nil {
		return err
	}
	return tx.Enqueue(store.Mail{
		Recipient: s.space.Email, Lang: s.space.Lang, Template: mail.TemplateActive, RequestID: q.ID,
		Args: map[string]string{
			mail.ArgAssociation: s.space.Name, mail.ArgContact: q.Contact.Name, mail.ArgSlug: s.space.Slug, mail.ArgAddresses: addresses,
		},
	}, p.Options.MailDomain)
}
