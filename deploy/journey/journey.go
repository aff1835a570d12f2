// Package journey goes the way of an association's request as people do: over HTTP through the form, the link in the
// mail and the dashboard, then frama provision in a terminal. make demo shows it, and tests build on it.
package journey

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Journey is one request of one association.
type Journey struct {
	PublicURL string // of frama's pages
	Mailbox   Mailbox
	Staff     Staff
	Request   Request
	Frama     []string // command line that runs frama with the platform's configuration, without the command
	Ingress   string   // host:port of the ingress
	RootsFile string   // authority of the spaces' certificates, PEM
	Out       io.Writer
}

// Staff is who reviews.
type Staff struct{ Email, Password string }

// Request is what is filled in.
type Request struct {
	Association, RNA, Contact, Email, Purpose, Slug, Plan string
	Kinds                                                 []string // all that the form offers, when there are none
}

// Result is what the association got.
type Result struct {
	Kinds     []string // what was asked for
	TrackURL  string
	RequestID string
	Addresses []string // https addresses of the instances
}

// Sample is the association of the demo.
func Sample(slug string) Request {
	return Request{
		Association: "Les Jardins partagés du Lilas", RNA: "W751234567", Contact: "Camille Martin", Email: "contact@" + slug + ".example",
		Purpose: "Écrire à plusieurs les comptes rendus, tenir le planning de l'arrosage et le budget des semis.",
		Slug:    slug, Kinds: []string{"pads", "calcs"},
	}
}

// Go takes every step and says how long each took.
func (j Journey) Go(ctx context.Context) (Result, error) {
	var r Result
	steps := []struct {
		what string
		do   func(context.Context, *Result) error
	}{
		{"the association fills in the form", j.Ask},
		{"it confirms its mail address by the link in the mail", j.Confirm},
		{"a reviewer approves the request in the dashboard", j.Approve},
		{"ops runs frama provision", j.Provision},
		{"the association reads the addresses on its private page", j.Follow},
		{"its applications answer over HTTPS", j.Visit},
	}
	for _, s := range steps {
		start := time.Now()
		if err := s.do(ctx, &r); err != nil {
			j.say("✗ %s: %v", s.what, err)
			return r, fmt.Errorf("%s: %w", s.what, err)
		}
		j.say("✓ %-60s %6.1f s", s.what, time.Since(start).Seconds())
	}
	return r, nil
}

func (j Journey) say(format string, args ...any) {
	if j.Out != nil {
		fmt.Fprintf(j.Out, format+"\n", args...)
	}
}

// Ask fills in the public form and sends it.
func (j Journey) Ask(ctx context.Context, r *Result) error {
	b := NewBrowser()
	if err := b.Open(ctx, j.PublicURL+"/request"); err != nil {
		return err
	}
	form, err := b.form("/request")
	if err != nil {
		return err
	}
	q := j.Request
	if r == nil {
		r = &Result{} // nobody wants to know
	}
	if r.Kinds = q.Kinds; len(r.Kinds) == 0 {
		r.Kinds = b.values("kinds")
	}
	if len(r.Kinds) == 0 {
		return fmt.Errorf("the form offers no kind of application: %.300s", b.Text())
	}
	fill := url.Values{
		"association": {q.Association}, "rna": {q.RNA}, "contact": {q.Contact}, "email": {q.Email}, "lang": {"fr"}, "purpose": {q.Purpose},
		"slug": {q.Slug}, "kinds": r.Kinds, "action": {"send"}, "charter": {b.value("charter")},
	}
	if q.Plan != "" {
		fill.Set("plan", q.Plan)
	} else if form.values.Get("plan") == "" {
		fill.Set("plan", b.value("plan"))
	}
	if err := b.Submit(ctx, "/request", fill); err != nil {
		return err
	}
	if !strings.HasSuffix(b.page.Path, "/sent") {
		return fmt.Errorf("the form came back: %.400s", b.Text())
	}
	return nil
}

// Confirm follows the link of the mail and presses the button there.
func (j Journey) Confirm(ctx context.Context, r *Result) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	link, err := j.ConfirmLink(ctx)
	if err != nil {
		return err
	}
	b := NewBrowser()
	if err := b.Open(ctx, link); err != nil {
		return err
	}
	if err := b.Submit(ctx, "/confirm/", nil); err != nil {
		return err
	}
	if !strings.Contains(b.page.Path, "/track/") {
		return fmt.Errorf("no private page after the confirmation, but %s", b.page.Path)
	}
	r.TrackURL = b.Address()
	return nil
}

// ConfirmLink waits for the mail that asks for a confirmation and returns the link in it; the newest, since an address
// may have asked before.
func (j Journey) ConfirmLink(ctx context.Context) (string, error) {
	to, link := j.Request.Email, regexp.MustCompile(regexp.QuoteMeta(j.PublicURL)+`/confirm/[A-Za-z0-9_-]{43}`)
	for {
		mails, err := j.Mailbox.All(ctx, to)
		for i := len(mails) - 1; err == nil && i >= 0; i-- {
			if found := link.FindString(mails[i].Text); found != "" {
				return found, nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no mail to %s with a link came: %w", to, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Approve signs in to the dashboard, finds the request in the queue and approves it.
func (j Journey) Approve(ctx context.Context, r *Result) error {
	b, err := j.SignIn(ctx)
	if err != nil {
		return err
	}
	if err := b.Open(ctx, j.PublicURL+"/admin/requests?state=pending&q="+url.QueryEscape(j.Request.Slug)); err != nil {
		return err
	}
	link := regexp.MustCompile(`/admin/requests/([0-9a-f-]{36})`).FindSubmatch(b.body)
	if link == nil {
		return fmt.Errorf("the queue does not show the request: %.300s", b.Text())
	}
	r.RequestID = string(link[1])
	if err := b.Open(ctx, j.PublicURL+string(link[0])); err != nil {
		return err
	}
	return b.Submit(ctx, "/approve", nil)
}

// SignIn opens the dashboard.
func (j Journey) SignIn(ctx context.Context) (*Browser, error) {
	b := NewBrowser()
	if err := b.Open(ctx, j.PublicURL+"/admin/login"); err != nil {
		return nil, err
	}
	err := b.Submit(ctx, "/admin/login", url.Values{"email": {j.Staff.Email}, "password": {j.Staff.Password}})
	return b, err
}

// Provision runs the command that ops runs.
func (j Journey) Provision(ctx context.Context, _ *Result) error {
	args := append(append([]string{}, j.Frama[1:]...), "provision", "--timeout", "10m")
	cmd := exec.CommandContext(ctx, j.Frama[0], args...)
	cmd.Stdout, cmd.Stderr = j.Out, j.Out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("frama provision: %w", err)
	}
	return nil
}

// Follow reads the private page until it shows the addresses.
func (j Journey) Follow(ctx context.Context, r *Result) error {
	kinds := r.Kinds
	if len(kinds) == 0 {
		kinds = j.Request.Kinds // somebody else asked
	}
	b := NewBrowser()
	for deadline := time.Now().Add(15 * time.Second); ; {
		if err := b.Open(ctx, r.TrackURL); err != nil {
			return err
		}
		r.Addresses = nil
		for _, kind := range kinds {
			if at := regexp.MustCompile(`https://` + regexp.QuoteMeta(j.Request.Slug+"-"+kind) + `[^"<\s]*`).Find(b.body); at != nil {
				r.Addresses = append(r.Addresses, string(at))
			}
		}
		if len(r.Addresses) == len(kinds) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the private page shows %d of %d addresses: %.300s", len(r.Addresses), len(kinds), b.Text())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Visit asks every address over HTTPS and checks the certificate against the authority's roots.
func (j Journey) Visit(ctx context.Context, r *Result) error { return j.visit(ctx, r.Addresses) }

// Answers waits until every address answers: tasks of an earlier start take a moment to come up again.
func (j Journey) Answers(ctx context.Context, addresses []string) error {
	start := time.Now()
	for {
		err := j.visit(ctx, addresses)
		if err == nil {
			j.say("✓ %-60s %6.1f s", "its applications answer over HTTPS again", time.Since(start).Seconds())
			return nil
		}
		if time.Since(start) > 2*time.Minute || ctx.Err() != nil {
			return fmt.Errorf("its applications do not answer: %w", err)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

func (j Journey) visit(ctx context.Context, addresses []string) error {
	client, err := j.HTTPS()
	if err != nil {
		return err
	}
	for _, address := range addresses {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return fmt.Errorf("visit %s: %w", address, err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answered %s", address, resp.Status)
		}
	}
	return nil
}

// HTTPS is a client that goes to the ingress whatever the name, and trusts the platform's authority only.
func (j Journey) HTTPS() (*http.Client, error) {
	pem, err := os.ReadFile(j.RootsFile)
	if err != nil {
		return nil, fmt.Errorf("roots of the authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, j.Ingress)
		},
	}}, nil
}

// value is the value of the first input of that name on the open page, ticked or not.
func (b *Browser) value(name string) string {
	if all := b.values(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// values are those of all inputs of that name on the open page, ticked or not.
func (b *Browser) values(name string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`<input[^>]*name="`+name+`"[^>]*value="([^"]*)"`).FindAllSubmatch(b.body, -1) {
		all = append(all, string(m[1]))
	}
	return all
}
