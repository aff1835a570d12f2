package mail_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/mail"
)

const quick = 200 * time.Millisecond

// optionsFor are those of a sender for a test server.
func optionsFor(s *smtpServer, mode mail.TLS) mail.Options {
	o := mail.Options{
		Host: "127.0.0.1", Port: s.port(), TLS: mode, From: "Les Hérons <contact@herons.example>", RootCAs: s.roots, Timeout: 5 * time.Second,
	}
	if s.password != "" {
		o.Username, o.Password = "frama", func() (string, error) { return s.password, nil }
	}
	return o
}

func newSender(t *testing.T, o mail.Options) *mail.Sender {
	t.Helper()
	s, err := mail.NewSender(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheckReachesTheServer(t *testing.T) {
	for name, c := range map[string]struct {
		behaviour
		tls mail.TLS
	}{
		"starttls and PLAIN":       {behaviour{password: "secret"}, mail.StartTLS},
		"starttls and LOGIN":       {behaviour{password: "secret", loginOnly: true}, mail.StartTLS},
		"tls and PLAIN":            {behaviour{password: "secret", implicitTLS: true}, mail.ImplicitTLS},
		"opportunistic, offered":   {behaviour{password: "secret"}, mail.Opportunistic},
		"opportunistic, not there": {behaviour{noSTARTTLS: true}, mail.Opportunistic},
		"none":                     {behaviour{}, mail.NoTLS},
		"none and PLAIN, loopback": {behaviour{password: "secret", plainAUTH: true}, mail.NoTLS},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, c.behaviour)
			if err := newSender(t, optionsFor(s, c.tls)).Check(context.Background()); err != nil {
				t.Fatal(err)
			}
			if n := len(s.mails()); n != 0 {
				t.Errorf("a check sent %d mails", n)
			}
		})
	}
}

func TestCheckSaysHowToMend(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	on := func(command, answer string) func(int, string) string {
		return func(_ int, line string) string {
			if strings.HasPrefix(line, command) {
				return answer
			}
			return ""
		}
	}
	for name, c := range map[string]struct {
		behaviour
		tls    mail.TLS
		change func(*mail.Options)
		want   []string
	}{
		"nothing listens":       {tls: mail.NoTLS, change: func(o *mail.Options) { o.Port = port }, want: []string{"nothing listens at 127.0.0.1:", "Start the mail server"}},
		"name unknown":          {tls: mail.NoTLS, change: func(o *mail.Options) { o.Host = "mail.invalid" }, want: []string{"mail.invalid cannot be resolved", "DNS"}},
		"no STARTTLS":           {behaviour: behaviour{noSTARTTLS: true}, tls: mail.StartTLS, want: []string{"offers no encryption", `to "tls"`}},
		"no TLS at first":       {tls: mail.ImplicitTLS, want: []string{"does not start with TLS", `"starttls"`}},
		"TLS at first":          {behaviour: behaviour{implicitTLS: true}, tls: mail.StartTLS, change: func(o *mail.Options) { o.Timeout = quick }, want: []string{"does not answer in time", `"tls"`}},
		"unknown authority":     {tls: mail.StartTLS, change: func(o *mail.Options) { o.RootCAs = nil }, want: []string{"authority", "ca-certificates"}},
		"other name":            {tls: mail.StartTLS, change: func(o *mail.Options) { o.Host = "localhost" }, want: []string{"another name", "smtp.host"}},
		"wrong password":        {behaviour: behaviour{password: "secret"}, tls: mail.StartTLS, change: func(o *mail.Options) { o.Password = func() (string, error) { return "hunter2", nil } }, want: []string{"signing in failed", "535", "smtp.username"}},
		"password missing":      {behaviour: behaviour{password: "secret"}, tls: mail.StartTLS, change: func(o *mail.Options) { o.Password = func() (string, error) { return "", errors.New("no such file") } }, want: []string{"read the mail password", "no such file", "file"}},
		"no user name":          {behaviour: behaviour{password: "secret"}, tls: mail.StartTLS, change: func(o *mail.Options) { o.Username = "" }, want: []string{"530", "sender", "smtp.username"}},
		"AUTH not offered":      {behaviour: behaviour{}, tls: mail.StartTLS, change: func(o *mail.Options) { o.Username = "frama" }, want: []string{"no way to sign in", "starttls"}},
		"AUTH only without TLS": {behaviour: behaviour{password: "secret"}, tls: mail.NoTLS, want: []string{"no way to sign in", "starttls"}},
		"refused at the door":   {behaviour: behaviour{greeting: "554 go away"}, tls: mail.NoTLS, want: []string{`554 "go away"`, "block list"}},
		"busy":                  {behaviour: behaviour{greeting: "421 too many"}, tls: mail.NoTLS, want: []string{"421", "tried again"}},
		"another protocol":      {behaviour: behaviour{greeting: "+OK POP3 ready"}, tls: mail.NoTLS, want: []string{"smtp.port"}},
		"hangs up":              {behaviour: behaviour{reply: on("EHLO", "close")}, tls: mail.NoTLS, want: []string{"closed the connection", "log"}},
		"hangs":                 {behaviour: behaviour{reply: on("EHLO", "hang")}, tls: mail.NoTLS, change: func(o *mail.Options) { o.Timeout = quick }, want: []string{"does not answer in time", "firewall"}},
		"sender refused":        {behaviour: behaviour{reply: on("MAIL", "550 5.7.1 not yours")}, tls: mail.NoTLS, want: []string{"not yours", "smtp.from"}},
		"hangs at the sender":   {behaviour: behaviour{reply: on("MAIL", "hang")}, tls: mail.NoTLS, change: func(o *mail.Options) { o.Timeout = quick }, want: []string{"does not answer in time"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, c.behaviour)
			o := optionsFor(s, c.tls)
			if c.change != nil {
				c.change(&o)
			}
			err := newSender(t, o).Check(context.Background())
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(c.want, ". ") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in: %v", w, err)
				}
			}
			for _, secret := range []string{"hunter2", "secret", "aHVudGVyMg"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the password is in: %v", err)
				}
			}
			var p *mail.Problem
			if !errors.As(err, &p) || p.Mend == "" {
				t.Errorf("%v is no Problem", err)
			}
		})
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	s := startServer(t, behaviour{reply: func(int, string) string { return "hang" }})
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	start := time.Now()
	if err := newSender(t, optionsFor(s, mail.NoTLS)).Check(ctx); err == nil {
		t.Fatal("no error")
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := mail.Options{Host: "mail.example.org", From: "Les Hérons <contact@herons.example>"}
	if _, err := mail.NewSender(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*mail.Options){
		"host":     func(o *mail.Options) { o.Host = "" },
		"TLS mode": func(o *mail.Options) { o.TLS = "yes" },
		"port":     func(o *mail.Options) { o.Port = 70000 },
		"sender":   func(o *mail.Options) { o.From = "contact" },
		"sender ":  func(o *mail.Options) { o.From = "A <a@b.example>\r\nBcc: c@d.example" },
		"answers":  func(o *mail.Options) { o.ReplyTo = "nobody" },
		"hello":    func(o *mail.Options) { o.HelloName = "a\r\nMAIL" },
		"timeout":  func(o *mail.Options) { o.Timeout = -1 },
	} {
		o := good
		change(&o)
		if _, err := mail.NewSender(o); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
