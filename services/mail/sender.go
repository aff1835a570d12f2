package mail

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"framagit.org/frama/frama/services/hosting"
)

// TLS is how a connection to the mail server is encrypted.
type TLS string

const (
	StartTLS      TLS = "starttls"      // switched to TLS at the start, or not used at all; port 587
	ImplicitTLS   TLS = "tls"           // TLS from the first byte; port 465
	Opportunistic TLS = "opportunistic" // STARTTLS where the server offers it; port 25
	NoTLS         TLS = "none"          // never; port 25, for a relay on the same machine
)

// Options say which server takes frama's mails and in whose name they are sent.
type Options struct {
	Host     string
	Port     int                    // that of the TLS mode when zero
	TLS      TLS                    // StartTLS when empty
	Username string                 // empty: no authentication
	Password func() (string, error) // asked at each connection, so that it may change; never logged
	From     string                 // address, with the name people see: "Les Jardins <contact@jardins.example>"
	ReplyTo  string                 // where answers go, From when empty; mails tell people that they may answer
	// HelloName is the full name this machine calls itself to the server (RFC 5321 §4.1.1.1); its host name when empty.
	HelloName string
	// Timeout is how long the server may stay silent, 30 s when zero. It may take three times as long to accept a
	// whole mail, since servers look for spam then, and one mail never takes longer than four times.
	Timeout time.Duration
	RootCAs *x509.CertPool // who may certify the server; the system's list when nil
}

// Sender hands mails to one SMTP server. It is safe for concurrent use.
type Sender struct {
	options       Options
	from, replyTo *netmail.Address // replyTo is nil when answers go to from
}

// NewSender checks the options. It does not connect.
func NewSender(o Options) (*Sender, error) {
	if o.Host == "" {
		return nil, fmt.Errorf("no mail server is configured: set its host")
	}
	if strings.ContainsFunc(o.HelloName, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("hello name %q: expected a host name such as frama.example.org", o.HelloName)
	}
	ports := map[TLS]int{StartTLS: 587, ImplicitTLS: 465, Opportunistic: 25, NoTLS: 25}
	if o.TLS == "" {
		o.TLS = StartTLS
	}
	if ports[o.TLS] == 0 {
		return nil, fmt.Errorf("mail server's TLS mode %q: expected starttls, tls, opportunistic or none", o.TLS)
	}
	if o.Port == 0 {
		o.Port = ports[o.TLS]
	}
	if o.Port < 1 || o.Port > 65535 {
		return nil, fmt.Errorf("mail server's port %d: expected 1 to 65535", o.Port)
	}
	if o.Timeout < 0 {
		return nil, fmt.Errorf("mail server's timeout %v: expected a duration such as 30s", o.Timeout)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	s := &Sender{options: o}
	var err error
	if s.from, err = address("sender", o.From); err != nil {
		return nil, err
	}
	if o.ReplyTo != "" {
		if s.replyTo, err = address("address for answers", o.ReplyTo); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func address(what, text string) (*netmail.Address, error) {
	a, err := netmail.ParseAddress(text)
	if err == nil && !plainAddress(a.Address) {
		err = fmt.Errorf("%q is no plain address", a.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("the mails' %s %q: expected Name <address@example.org>: %w", what, text, err)
	}
	a.Name = oneLine(a.Name)
	return a, nil
}

// plainAddress accepts host names without a dot too, which the host's own machines may have.
func plainAddress(a string) bool {
	return hosting.ValidEmail(a) || hosting.ValidEmail(a+".invalid")
}

// Check connects, says hello, encrypts, signs in, announces the sender and leaves, for frama doctor. No mail is sent.
// Its errors say how to mend.
func (s *Sender) Check(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	return c.begin(ctx)
}

// longest is how long one hand-over may take.
func (s *Sender) longest() time.Duration { return 4 * s.options.Timeout }

func (s *Sender) address() string {
	return net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
}

// compose makes the mail as it travels. Every typed text in a header has been made one line by the renderer; go-mail
// encodes what is not ASCII (RFC 2047).
func (s *Sender) compose(m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.FromFormat(s.from.Name, s.from.Address); err != nil {
		return nil, fmt.Errorf("write the sender: %w", err)
	}
	if s.replyTo != nil {
		if err := msg.ReplyToFormat(s.replyTo.Name, s.replyTo.Address); err != nil {
			return nil, fmt.Errorf("write the address for answers: %w", err)
		}
	}
	if err := msg.To(m.Recipient); err != nil {
		return nil, fmt.Errorf("write the recipient: %w", err)
	}
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.Date)
	msg.SetMessageIDWithValue(m.ID)
	msg.SetGenHeader(gomail.HeaderContentLang, m.Lang)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}
