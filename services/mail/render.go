package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/store"
)

//go:embed layout.html layout.txt
var layouts embed.FS

// Links makes the links of mails from a request's ID. They are not arguments, so that the database holds no private one.
type Links interface {
	Confirm(requestID string) string
	Track(requestID string) string
	Dashboard(requestID string) string
}

// RenderOptions are what mails say beside their arguments.
type RenderOptions struct {
	Host   string // name of the host (the CHATON) as people see it
	Links  Links
	Locale *locale.Locale
}

// Renderer makes a Message of a row of the outbox. It is safe for concurrent use.
type Renderer struct {
	options RenderOptions
	html    *htmltemplate.Template
	text    *texttemplate.Template
}

// NewRenderer reads the layouts.
func NewRenderer(o RenderOptions) (*Renderer, error) {
	if o.Links == nil || o.Locale == nil {
		return nil, errors.New("mails need links and messages")
	}
	if o.Host = oneLine(o.Host); o.Host == "" {
		return nil, errors.New("mails need the name of the host: set it in the configuration")
	}
	html, err := htmltemplate.ParseFS(layouts, "layout.html")
	if err != nil {
		return nil, fmt.Errorf("read the mails' HTML layout: %w", err)
	}
	text, err := texttemplate.New("layout.txt").
		Funcs(texttemplate.FuncMap{"wrap": wrap, "quote": quote}).
		ParseFS(layouts, "layout.txt")
	if err != nil {
		return nil, fmt.Errorf("read the mails' text layout: %w", err)
	}
	return &Renderer{options: o, html: html, text: text}, nil
}

// Render makes the message of m, without its date. Its errors are Problems: Refused when no server could ever take the
// mail, Deferred when another version of frama might write it.
func (r *Renderer) Render(m store.Mail) (Message, error) {
	if !hosting.ValidEmail(m.Recipient) {
		return Message{}, &Problem{Refused, "Correct the address where it was entered.", errors.New("the recipient is no plain mail address")}
	}
	if !messageID(m.MessageID) {
		return Message{}, faulty(fmt.Errorf("message ID %q is not of the form id@domain", m.MessageID))
	}
	if !locale.Known(m.Lang) {
		m.Lang = locale.Languages()[0]
	}
	d := &draft{mail: m, options: r.options, body: body{Lang: m.Lang}}
	write, ok := d.writers()[m.Template]
	if !ok {
		return Message{}, faulty(fmt.Errorf("there is no template %q", m.Template))
	}
	d.greet()
	write()
	d.sign()
	if d.err != nil {
		return Message{}, faulty(fmt.Errorf("template %q: %w", m.Template, d.err))
	}
	var text, html bytes.Buffer
	if err := errors.Join(r.text.Execute(&text, d.body), r.html.Execute(&html, d.body)); err != nil {
		return Message{}, faulty(fmt.Errorf("template %q: %w", m.Template, err))
	}
	return Message{
		ID: m.MessageID, Recipient: m.Recipient, Lang: m.Lang,
		Subject: d.body.Subject, Text: text.String(), HTML: html.String(),
	}, nil
}

func faulty(err error) error {
	return &Problem{Deferred, "This is a fault in frama: please report it. The mail is kept, and tried again.", fmt.Errorf("write a mail: %w", err)}
}

// messageID accepts what needs no quoting in a header: an identifier and a domain or host name.
func messageID(id string) bool {
	left, right, ok := strings.Cut(id, "@")
	return ok && left != "" && right != "" && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' }) &&
		!strings.Contains(right, "@")
}
