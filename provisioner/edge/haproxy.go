package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// haproxy drives one HAProxy: it compares what runs with what should run and changes the difference. Called again with
// the same plan, it does nothing.
type haproxy struct {
	settings settings
	binary   string
	external bool // systemd starts it; the agent only writes files and talks to the sockets
	log      *slog.Logger

	api, master runtimeAPI
	digest      string // of the configuration on disk
	// refused are certificates, by file, that HAProxy does not take, with its words. They are left out until the
	// snapshot brings another content, which has another name.
	refused map[string]string
	exited  chan struct{} // closed when the HAProxy this agent started is gone; nil if it started none
}

// errNotRunning means that nobody answers on HAProxy's socket.
var errNotRunning = errors.New("HAProxy is not running")

func newHAProxy(s settings, binary string, external bool, log *slog.Logger) *haproxy {
	return &haproxy{
		settings: s, binary: binary, external: external, log: log,
		api:     runtimeAPI{socket: s.layout.admin(), limit: 30 * time.Second},
		master:  runtimeAPI{socket: s.layout.master(), limit: 10 * time.Second},
		refused: map[string]string{},
	}
}

// apply makes HAProxy do what the plan says: files first, then the running process. The plan it returns is the one in
// place, with the problems met.
func (h *haproxy) apply(ctx context.Context, p plan) (plan, error) {
	l := h.settings.layout
	p = p.without(h.refused)
	if err := h.write(p); err != nil {
		return p, err
	}
	running, err := h.api.info(ctx)
	switch {
	case nobody(err):
		return h.begin(ctx, p, h.start)
	case err != nil:
		return p, err
	case running.digest == "":
		return p, fmt.Errorf("the HAProxy that answers on %s was not started from %s: stop it", l.admin(), l.config())
	case running.digest != h.digest:
		h.log.Info("the configuration of HAProxy changed: reloading it")
		return h.begin(ctx, p, h.reload)
	}
	err = h.sync(ctx, p)
	if err != nil && ctx.Err() == nil {
		h.log.Warn("HAProxy's runtime API failed: reloading it from its files", "error", err)
		if p, err = h.begin(ctx, p, h.reload); err != nil {
			return p, err
		}
		err = h.sync(ctx, p)
	}
	if err != nil {
		return p, err
	}
	return p, l.sweep(p.files())
}

// sync changes the running process: what is new comes before what goes, so that no moment lacks a certificate.
func (h *haproxy) sync(ctx context.Context, p plan) error {
	l := h.settings.layout
	added, err := h.api.addCertificates(ctx, l, p.certificates)
	if err != nil {
		return err
	}
	routed, err := h.api.syncMap(ctx, l.hosts(), p.routes)
	if err != nil {
		return err
	}
	opened, err := h.api.syncMap(ctx, l.writes(), p.writes)
	if err != nil {
		return err
	}
	account, err := h.api.syncMap(ctx, l.acme(), p.account())
	if err != nil {
		return err
	}
	dropped, err := h.api.dropCertificates(ctx, l, p.certificates)
	if err != nil {
		return err
	}
	if added || routed || opened || account || dropped {
		h.log.Info("HAProxy follows", "routes", len(p.routes), "certificates", len(p.certificates))
	}
	return nil
}

// begin starts or reloads HAProxy from its files once it finds nothing wrong in them. A certificate it objects to is
// left out and reported.
func (h *haproxy) begin(ctx context.Context, p plan, do func(context.Context) error) (plan, error) {
	for {
		err := h.check(ctx)
		if err == nil {
			return p, do(ctx)
		}
		if !h.blame(p, err) {
			return p, err
		}
		p = p.without(h.refused)
		if err := h.write(p); err != nil {
			return p, err
		}
	}
}

// blame finds the certificates of the plan that HAProxy's complaint names.
func (h *haproxy) blame(p plan, complaint error) bool {
	found := false
	for _, c := range p.certificates {
		if line, named := lineWith(complaint.Error(), h.settings.layout.cert(c.file)); named {
			h.refused[c.file] = printable(line, 300)
			found = true
		}
	}
	return found
}

func lineWith(text, word string) (string, bool) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return strings.TrimSpace(line), true
		}
	}
	return "", false
}

// write puts on disk all that HAProxy starts from: what a list names before the list.
func (h *haproxy) write(p plan) error {
	l := h.settings.layout
	if err := h.writeConfig(); err != nil {
		return err
	}
	for _, c := range p.certificates {
		if err := replace(l.cert(c.file), c.pem); err != nil {
			return err
		}
	}
	if err := replace(l.crtList(), l.crtListFile(p.certificates)); err != nil {
		return err
	}
	if err := replace(l.acme(), mapFile(p.account())); err != nil {
		return err
	}
	if err := replace(l.writes(), mapFile(p.writes)); err != nil {
		return err
	}
	return replace(l.hosts(), mapFile(p.routes))
}

// writeConfig writes what does not depend on a snapshot.
func (h *haproxy) writeConfig() error {
	l := h.settings.layout
	pages, err := loadPages()
	if err != nil {
		return err
	}
	for name, content := range pages {
		if err := replace(l.page(name), content); err != nil {
			return err
		}
	}
	config, digest, err := h.settings.render(hasIPv6(), pages)
	if err != nil {
		return err
	}
	h.digest = digest
	return replace(l.config(), config)
}

// files are the names of the certificates in the plan.
func (p plan) files() map[string]bool {
	out := map[string]bool{}
	for _, c := range p.certificates {
		out[c.file] = true
	}
	return out
}

// account is the map that answers ACME challenges.
func (p plan) account() map[string]string {
	if p.thumbprint == "" {
		return map[string]string{}
	}
	return map[string]string{"thumbprint": p.thumbprint}
}
