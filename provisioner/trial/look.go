package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/exchange"
)

// converse prepares the requests of the checks: what the instance's variable holds are the values of their placeholders.
// Only what came from the association may show in messages.
func (t *Trial) converse(ctx context.Context) error {
	secrets, err := t.Cluster.Secrets(ctx, t.instance.Job)
	if err != nil {
		return err
	}
	values := map[string]string{"object": t.Object, "email": t.Email}
	for _, v := range t.App.Values {
		values[v.Name] = secrets[v.Name]
		delete(secrets, v.Name)
	}
	t.talk = &exchange.Exchange{Client: t.Client, URL: t.Platform.URL(t.instance.Host), Values: values, Secrets: secrets}
	return nil
}

// visit gets a page as a browser would, redirects included, and wants an answer that is no error. That the certificate is
// the authority's is for the client to see.
func (t *Trial) visit(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.Platform.URL(t.instance.Host)+path, nil)
	if err != nil {
		return err
	}
	browser := *t.Client
	browser.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if len(via) > 5 || next.URL.Host != req.URL.Host {
			return http.ErrUseLastResponse // to another machine: not this instance's answer
		}
		return nil
	}
	resp, err := browser.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<20))
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s answered %s", resp.Request.URL.Path, resp.Status)
	case resp.TLS == nil:
		return fmt.Errorf("%s answered without TLS", resp.Request.URL)
	}
	return nil
}

// answers waits until the instance's health page answers through the ingress again.
func (t *Trial) answers(ctx context.Context) error {
	health := t.App.Run().Health
	return t.until(ctx, t.patience(), func() error {
		return t.talk.Run(ctx, []catalogue.Request{{Name: "health", Path: health.Path, Status: health.Status}})
	})
}

// read reads the object back. Some applications show what was written only a moment later.
func (t *Trial) read(ctx context.Context) error {
	settle := t.Settle
	if settle == 0 {
		settle = 10 * time.Second
	}
	err := t.until(ctx, settle, func() error { return t.talk.Run(ctx, t.App.Run().Check.Read) })
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

func (t *Trial) patience() time.Duration {
	if t.Patience == 0 {
		return 2 * time.Minute
	}
	return t.Patience
}

// until tries again and again, and returns the last error.
func (t *Trial) until(ctx context.Context, within time.Duration, try func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := try()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// remove takes away all there is of the instance: it ends, nobody is sent to it any more, and only then its data goes.
func (t *Trial) remove(ctx context.Context) error {
	i := t.instance
	if i.ID == "" {
		return nil // it was not even placed
	}
	ctx, cancel := context.WithTimeout(ctx, 2*t.patience())
	defer cancel()
	if err := t.Cluster.RemoveJob(ctx, i.Job, i.ID); err != nil {
		return err
	}
	if err := t.Platform.Withdraw(ctx, i); err != nil {
		return err
	}
	volume := provisioner.Volume{Name: i.Volume, Node: i.Node}
	err := t.patiently(ctx, func() error { return t.Cluster.RemoveVolume(ctx, volume, i.Job, i.ID) })
	if err != nil {
		return err
	}
	return t.patiently(ctx, func() error { return t.Cluster.RemoveSecrets(ctx, i.Job, i.ID) })
}

// patiently tries again while the cluster asks for it.
func (t *Trial) patiently(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(t.patience())
	for {
		err := do()
		var temporary *provisioner.TemporaryError
		if !errors.As(err, &temporary) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}
