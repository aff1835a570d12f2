package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
)

// largest is how many bytes of a page are read.
const largest = 1 << 20

// page reads a number from a page of the instance. last says that no other page of it is asked for after this one.
func (l *look) page(ctx context.Context, u catalogue.Usage, last bool) (string, error) {
	if l.gone != "" {
		return "", errors.New(l.gone)
	}
	body, err := l.get(ctx, u.Path, last)
	if err != nil {
		return "", err
	}
	if u.From == "prometheus" {
		return sum(body, u.Field)
	}
	return field(body, u.Field)
}

// get asks the instance at its node, not through the ingress, and tells it what the ingress would.
func (l *look) get(ctx context.Context, path string, last bool) ([]byte, error) {
	if l.Address == "" {
		return nil, errors.New("the instance has no address yet: it was never healthy; see its run (frama space show)")
	}
	for _, name := range exchange.Placeholders(path) {
		if _, known := l.items[name]; !known && name != "host" && name != "url" {
			return nil, fmt.Errorf("the path has {%s}, and the variable of job %s has no such key: correct the manifest, or make the key", name, l.Job)
		}
	}
	values, secrets := l.values()
	e := &exchange.Exchange{URL: l.URL(l.Host), Values: values, Secrets: secrets}
	req, err := e.Request(ctx, catalogue.Request{Path: path})
	if err != nil {
		return nil, err
	}
	req.Close = last
	resp, err := exchange.DirectOver(l.transport, l.Address).RoundTrip(req)
	if err != nil {
		err = l.silent(ctx, err)
		l.gone = err.Error() // nor will it answer the next question
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largest+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, l.refused(resp, body)
	case err != nil:
		err = l.silent(ctx, err)
		l.gone = err.Error()
		return nil, fmt.Errorf("the answer broke off: %w", err)
	case len(body) > largest:
		return nil, fmt.Errorf("the answer has more than %d bytes, and a number was asked for: name a smaller page", largest)
	}
	return body, nil
}

// silent words that no whole answer came.
func (l *look) silent(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no whole answer within %s: see whether the application is overloaded, or raise usage.timeout", l.Timeout)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("no answer at %s (%w): see whether the application runs (frama space show)", l.Address, err)
}

// refused words another status than the one asked for.
func (l *look) refused(resp *http.Response, body []byte) error {
	came := fmt.Sprintf("answered %d instead of 200", resp.StatusCode)
	switch to := resp.Header.Get("Location"); {
	case to != "":
		return &lie{came + ": it sends elsewhere, which is not followed; name the page itself", to}
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		came += ": it wants to know who asks; check the key in the manifest's path"
	case resp.StatusCode == http.StatusNotFound:
		came += ": there is no such page; check the manifest's path against this version of the application"
	default:
		came += ": see the application's log"
	}
	return &lie{came, string(body)}
}

// markup says whether a page is for browsers.
func markup(body []byte) bool {
	return strings.HasPrefix(strings.TrimSpace(string(body[:min(len(body), 200)])), "<")
}
