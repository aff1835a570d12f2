package mail

import (
	"encoding/json"
	"errors"
	"fmt"

	"framagit.org/frama/frama/services/store"
)

// body is what the two layouts show. Plain text and HTML are two views of one list of blocks, so neither can say more
// than the other.
type body struct {
	Lang      string
	Subject   string
	Greeting  string
	Blocks    []block
	Signature string
	Footer    string
}

// block is one of a paragraph, a link people are meant to follow, a quotation, a list, or bars with figures.
type block struct {
	Text      string
	Link      *link
	Quote     []string // lines
	Addresses []Address
	Items     []string
	Bars      []bar
}

type link struct{ Label, URL string }

// draft is a mail while it is written. The first thing that is wrong is kept in err; writing goes on.
type draft struct {
	mail    store.Mail
	options RenderOptions
	body    body
	err     error
}

func (d *draft) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// say returns a message in the mail's language.
func (d *draft) say(key string, args ...any) string {
	return d.options.Locale.T(d.mail.Lang, "mail."+key, args...)
}

// optional returns a typed argument as one line.
func (d *draft) optional(name string) string { return oneLine(d.mail.Args[name]) }

// arg returns an argument the mail makes no sense without.
func (d *draft) arg(name string) string {
	value := d.optional(name)
	if value == "" {
		d.fail(fmt.Errorf("argument %q is missing", name))
	}
	return value
}

func (d *draft) subject(key string, args ...any) { d.body.Subject = oneLine(d.say(key, args...)) }

func (d *draft) paragraph(key string, args ...any) {
	d.body.Blocks = append(d.body.Blocks, block{Text: d.say(key, args...)})
}

func (d *draft) link(label string, of func(string) string) {
	if d.mail.RequestID == "" {
		d.fail(errors.New("the request's ID is missing"))
		return
	}
	url := of(d.mail.RequestID)
	if !webAddress(url) {
		d.fail(errors.New("its link is no web address: check the public address in the configuration"))
	}
	d.body.Blocks = append(d.body.Blocks, block{Link: &link{Label: d.say(label), URL: url}})
}

// quote shows what somebody wrote: ArgReason.
func (d *draft) quote() {
	if d.arg(ArgReason) != "" {
		d.body.Blocks = append(d.body.Blocks, block{Quote: lines(d.mail.Args[ArgReason])})
	}
}

func (d *draft) addresses() {
	var all []Address
	if err := json.Unmarshal([]byte(d.mail.Args[ArgAddresses]), &all); err != nil {
		d.fail(fmt.Errorf("argument %q: %w", ArgAddresses, err))
		return
	}
	if len(all) == 0 {
		d.fail(fmt.Errorf("argument %q is empty", ArgAddresses))
	}
	for i, a := range all {
		if all[i].Title = oneLine(a.Title); all[i].Title == "" || !webAddress(a.URL) {
			d.fail(fmt.Errorf("argument %q: entry %d needs a title and a web address", ArgAddresses, i+1))
		}
	}
	d.body.Blocks = append(d.body.Blocks, block{Addresses: all})
}

// greet says hello, by name where there is one that cannot be taken for a link.
func (d *draft) greet() {
	if name := linkless(d.optional(ArgContact)); name != "" {
		d.body.Greeting = d.say("greeting", name)
		return
	}
	d.body.Greeting = d.say("greeting_anybody")
}

func (d *draft) sign() {
	d.body.Signature = d.say("signature", d.options.Host)
	switch d.mail.Template {
	case TemplateStaffNewRequest, TemplateStaffAsk:
		d.body.Footer = d.say("footer_staff", d.options.Host)
	case TemplateQuotaNotice, TemplateQuotaWarning, TemplateQuotaFull, TemplateQuotaStopped, TemplateQuotaAllowed, TemplateQuotaLimit,
		TemplateAskGranted, TemplateAskDeclined, TemplateRetention:
		d.body.Footer = d.say("footer_space", d.options.Host)
	default:
		d.body.Footer = d.say("footer", d.options.Host)
	}
}
