package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// connection is a session with the server: greeted, encrypted, signed in. It takes one mail after the other.
//
// It drives go-mail's protocol level itself: go-mail's own Send reports a mail as failed when the server leaves right
// after it accepted it, and the outbox would send it twice.
type connection struct {
	sender *Sender
	client *smtp.Client
	raw    *patientConn
	begun  bool // the server has accepted the sender of the next mail
	broken bool // nothing more can be sent over it
}

// connect opens a session. Its errors are Problems of verdict Down.
func (s *Sender) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.longest(), errTooSlow)
	defer cancel()
	c := &connection{sender: s}
	options, err := s.clientOptions(func(dial context.Context, network, address string) (net.Conn, error) {
		return c.dial(dial, ctx, network, address)
	})
	if err != nil {
		return nil, err
	}
	g, err := gomail.NewClient(s.options.Host, options...)
	if err != nil {
		return nil, &Problem{Down, "Check the options under smtp.", fmt.Errorf("prepare the connection to the mail server: %w", err)}
	}
	c.client, err = g.DialToSMTPClientWithContext(ctx)
	if err != nil {
		if c.raw != nil {
			_ = c.raw.Close() // go-mail leaves it open
			if cut := context.Cause(ctx); cut != nil {
				err = cut
			}
		}
		return nil, s.explain(err)
	}
	if !c.raw.release() {
		return nil, s.explain(context.Cause(ctx))
	}
	return c, nil
}

func (s *Sender) clientOptions(dial gomail.DialContextFunc) ([]gomail.Option, error) {
	o := s.options
	all := []gomail.Option{
		gomail.WithPort(o.Port), gomail.WithTimeout(o.Timeout), gomail.WithDialContextFunc(dial),
		gomail.WithTLSConfig(s.tlsConfig()),
		gomail.WithoutSMTPUTF8(), // every address is ASCII; asking for more than needed can make a relay return a mail
	}
	if o.HelloName != "" {
		all = append(all, gomail.WithHELO(o.HelloName))
	}
	switch o.TLS {
	case StartTLS:
		all = append(all, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Opportunistic:
		all = append(all, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case ImplicitTLS:
		all = append(all, gomail.WithSSL())
	case NoTLS:
		all = append(all, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if o.Username == "" {
		return all, nil
	}
	password := ""
	if o.Password != nil {
		var err error
		if password, err = o.Password(); err != nil {
			return nil, &Problem{Down, "Check the file or variable that holds smtp.password.",
				fmt.Errorf("read the mail password: %w", err)}
		}
	}
	// PLAIN and LOGIN refuse to travel without TLS but to this machine.
	return append(all, gomail.WithUsername(o.Username), gomail.WithPassword(password),
		gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin,
			gomail.SMTPAuthCramMD5)), nil
}

func (s *Sender) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.options.Host, RootCAs: s.options.RootCAs, MinVersion: tls.VersionTLS12}
}

// dial connects, and encrypts where TLS comes first. It keeps the connection so that it can be closed and timed: go-mail's
// context, dialing, ends once it has returned, while whole lasts as long as the greetings may.
func (c *connection) dial(dialing, whole context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: c.sender.options.Timeout}
	conn, err := d.DialContext(dialing, network, address)
	if err != nil {
		return nil, err
	}
	c.raw = newPatientConn(conn, c.sender.options.Timeout)
	c.raw.hold(whole)
	if c.sender.options.TLS != ImplicitTLS {
		return c.raw, nil
	}
	encrypted := tls.Client(c.raw, c.sender.tlsConfig())
	if err := encrypted.HandshakeContext(whole); err != nil {
		return nil, err
	}
	return encrypted, nil
}

// begin announces the next mail's sender, which is the same for all: what the server says to that concerns every mail.
// Its errors are Problems of verdict Down or Stale.
func (c *connection) begin(ctx context.Context) error {
	if c.begun {
		return nil
	}
	err := c.within(ctx, func() error { return c.client.Mail("<" + c.sender.from.Address + ">") })
	if err != nil {
		c.broken = true
		return c.sender.judgeSender(err)
	}
	c.begun = true
	return nil
}

// send hands over one mail that was begun. Its errors are Problems. Once the server has accepted the mail it succeeds,
// whatever happens to the connection afterwards.
func (c *connection) send(ctx context.Context, m Message) error {
	msg, err := c.sender.compose(m)
	if err != nil {
		return &Problem{Refused, "Check the recipient's address.", err}
	}
	var text bytes.Buffer // first into memory: half a mail is never sent
	if _, err := msg.WriteTo(&text); err != nil {
		return faulty(err)
	}
	c.begun = false
	at := atRecipient
	err = c.within(ctx, func() error {
		if err := c.client.Rcpt("<" + m.Recipient + ">"); err != nil {
			return err
		}
		at = atContent
		return c.content(text.Bytes())
	})
	if err == nil {
		return nil
	}
	p := judge(at, err)
	c.broken = c.broken || p.Verdict == Broken || c.client.Reset() != nil
	return p
}

func (c *connection) content(text []byte) error {
	w, err := c.client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	c.raw.patience(3 * c.sender.options.Timeout)
	defer c.raw.patience(c.sender.options.Timeout)
	return w.Close()
}

// within talks to the server until ctx or the time for one hand-over ends.
func (c *connection) within(ctx context.Context, talk func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.sender.longest(), errTooSlow)
	defer cancel()
	c.raw.hold(ctx)
	err := talk()
	if !c.raw.release() {
		c.broken = true
		if err != nil {
			return context.Cause(ctx)
		}
	}
	return err
}

// close leaves politely, without waiting long.
func (c *connection) close() {
	if !c.broken {
		c.raw.patience(min(time.Second, c.sender.options.Timeout))
		_ = c.client.Quit()
	}
	_ = c.raw.Close()
}

// errTooSlow is the reason a hand-over is cut off at its limit.
var errTooSlow = errors.New("the mail server is too slow")
