// Package web is frama's pages: the public form, the private tracking page and the staff's dashboard.
//
// It decodes what browsers send, calls one use case of services/control, and writes a page; it decides nothing. All
// routes stand in routes.go, and each handler has a file named after its page. Every page works without JavaScript;
// the small scripts only spare people a reload.
//
// What protects the pages stands in a file each: headers.go (what browsers may do), guard.go (forged forms),
// session.go (who is signed in), limit.go (too many attempts), errors.go (what people see when something fails).
package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/locale"
)

const (
	maxBody      = 256 << 10        // bytes; the longest honest form is under 20 KiB
	requestLimit = 20 * time.Second // for the work of one request, database included
)

// Options are what the pages need to know of the configuration.
type Options struct {
	Control            *control.Control
	Locale             *locale.Locale
	PublicURL          string   // as people type it, e.g. https://frama.example.org
	TrustedProxies     []string // addresses or networks whose X-Forwarded-For is believed
	Secure             bool     // the pages are reached over https: cookies say so, and so does HSTS
	FormLimitPerMinute int      // forms sent and sign-ins tried per address; 0 switches the limit off
	SigningKey         []byte   // 32 bytes: signs the tokens of public forms
	HostName           string   // name of the host (the CHATON) as people see it
	CharterURL         string   // where the charter can be read; may be empty
	Log                *slog.Logger
	Version            string           // of frama, shown in the footer
	Now                func() time.Time // time.Now when nil
	// Around is called before each request; what it returns is its context, and is told the route, as routes.go names it, and
	// the status. Nil for none.
	Around func(ctx context.Context, id, method string) (context.Context, func(route string, status int))
}

// site is the pages with all they share.
type site struct {
	Options
	origin  string // of PublicURL: scheme://host[:port]
	proxies []netip.Prefix
	assets  *assets
	icons   *icons
	views   *views
	forms   *limiter // forms sent
	logins  *limiter // sign-ins tried
	checks  *limiter // names looked up
}

// New builds the pages. It fails on options that cannot work and on templates that do not parse.
func New(o Options) (*fiber.App, error) {
	s, err := newSite(o)
	if err != nil {
		return nil, err
	}
	app := fiber.New(fiber.Config{
		AppName:                 "frama",
		DisableStartupMessage:   true,
		Immutable:               true, // values outlive the request's buffers
		Network:                 "tcp",
		BodyLimit:               maxBody,
		ReadBufferSize:          16 << 10, // request line and headers
		ReadTimeout:             15 * time.Second,
		WriteTimeout:            30 * time.Second,
		IdleTimeout:             60 * time.Second,
		CaseSensitive:           true,
		EnableTrustedProxyCheck: true,
		TrustedProxies:          o.TrustedProxies,
		ErrorHandler:            s.unrouted,
	})
	s.routes(app)
	return app, nil
}

func newSite(o Options) (*site, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("public address %q: expected http(s)://host", o.PublicURL)
	}
	if len(o.SigningKey) < 32 {
		return nil, fmt.Errorf("the signing key has %d bytes: at least 32 are needed", len(o.SigningKey))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &site{
		Options: o,
		origin:  public.Scheme + "://" + strings.ToLower(public.Host),
		forms:   newLimiter(o.FormLimitPerMinute, o.Now),
		logins:  newLimiter(o.FormLimitPerMinute, o.Now),
		checks:  newLimiter(20*o.FormLimitPerMinute, o.Now), // one per pause in typing
	}
	if s.proxies, err = prefixes(o.TrustedProxies); err != nil {
		return nil, err
	}
	if s.assets, err = newAssets(); err != nil {
		return nil, err
	}
	kinds := o.Control.Kinds()
	s.icons = newIcons(kindIDs(kinds), o.Control.Icon)
	s.assets.byName["icons.css"] = s.icons.stylesAddress()
	s.views, err = newViews(o.Locale, s.assets, s.icons, kinds, o.Now)
	return s, err
}

func kindIDs(kinds []control.KindView) []string {
	var ids []string
	for _, k := range kinds {
		ids = append(ids, k.ID)
	}
	return ids
}
