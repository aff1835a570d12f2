// Package backing gives instances databases, accounts and buckets on servers that the configuration declares: it holds
// the adapters of provisioner.Backing, and is the only importer of their clients.
//
// Each adapter marks what it makes with the instance's ID, in the very statement that makes it or before, and never
// touches what bears no such mark. Passwords travel as verifiers or hashes wherever the server takes them, so that no
// log of a server holds one. What an instance gets, and nothing else, is in the file of its kind.
package backing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// Kinds lists the kinds of servers.
func Kinds() []string { return []string{"postgres", "mysql", "redis", "s3", "smtp"} }

// Options declare one server.
type Options struct {
	Name     string
	Kind     string
	Address  string // host:port that frama connects to
	SeenAs   string // host:port as jobs see it; Address when empty
	User     string // administrator
	Password string
	TLS      string // "verify" or "none"
	CAFile   string // authority of the server's certificate, PEM; the system's where empty
	Prefix   string // first part of all names; "frama" when empty

	Connections int // postgres, mysql: at once, for each instance

	Database string // postgres: where the administrator connects; smtp: where the table of logins is

	Region  string // s3
	Flavour string // s3: garage, versitygw or shared
	Admin   string // s3: host:port of the administration interface; versitygw: Address when empty

	Mode   string // smtp: shared or dovecot-sql
	From   string // smtp: sender; with dovecot-sql, {name} stands for the instance's name
	Tables string // smtp: name of the declared postgres server with the table of logins

	Timeout time.Duration // of one operation; 30 s when zero
	// Hook is called before each statement that changes a server; nil for none. Tests end the operation there.
	Hook func(point string)
}

// New makes the adapter of a server without talking to it. others are all declared servers, among which dovecot-sql looks
// for its tables.
func New(o Options, others []Options) (provisioner.Backing, error) {
	o.defaults()
	base, err := newServer(o)
	if err != nil {
		return nil, err
	}
	switch o.Kind {
	case "postgres":
		return &postgres{base}, nil
	case "mysql":
		return newMySQL(base), nil
	case "redis":
		return newRedis(base), nil
	case "s3":
		return newS3(base)
	case "smtp":
		return newSMTP(base, others)
	}
	return nil, base.wrong("kind: %q is none of %v", o.Kind, Kinds())
}

func (o *Options) defaults() {
	if o.SeenAs == "" {
		o.SeenAs = o.Address
	}
	if o.Prefix == "" {
		o.Prefix = "frama"
	}
	if o.TLS == "" {
		o.TLS = "verify"
	}
	if o.Connections == 0 {
		o.Connections = 40
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
}

// deleting is how long it may take to delete what an instance had; provisioner holds the entry a little longer.
const deleting = 8 * time.Minute

// server is what all adapters have.
type server struct {
	Options

	tls  *tls.Config // nil without TLS
	host string      // of SeenAs
	port string
	// authority is what instances check the server's certificate with, PEM; empty where they cannot.
	authority string
}

// prefixForm is what is safe in the names of all kinds, and in the patterns of keys and rights.
var prefixForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,14}$`)

func newServer(o Options) (server, error) {
	s := server{Options: o}
	if o.Name == "" {
		return s, errors.New("[[backing]] without a name")
	}
	if !prefixForm.MatchString(o.Prefix) {
		return s, s.wrong("prefix: %q is not 1 to 15 letters a to z, digits, hyphens or underscores, beginning with a letter", o.Prefix)
	}
	address, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return s, s.wrong("address: %q is not host:port", o.Address)
	}
	if s.host, s.port, err = net.SplitHostPort(o.SeenAs); err != nil {
		return s, s.wrong("seen_as: %q is not host:port", o.SeenAs)
	}
	if number, err := strconv.Atoi(s.port); err != nil || number < 1 || number > 65535 {
		return s, s.wrong("seen_as: %q has no port between 1 and 65535", o.SeenAs)
	}
	switch o.TLS {
	case "none":
	case "verify":
		s.tls = &tls.Config{ServerName: address, MinVersion: tls.VersionTLS12}
		if o.CAFile == "" {
			break
		}
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return s, s.wrong("ca_file: %v", err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return s, s.wrong("ca_file: %s holds no certificate in PEM", o.CAFile)
		}
		if len(pem) <= mostAuthority {
			s.authority = string(pem)
		}
	default:
		return s, s.wrong("tls: %q is neither verify nor none", o.TLS)
	}
	return s, nil
}

func (s server) Kind() string { return s.Options.Kind }
func (s server) Name() string { return s.Options.Name }

// Aside: most servers cannot rename.
func (s server) Aside(string, time.Time) string { return "" }

// wrong words a mistake in the declaration.
func (s server) wrong(format string, args ...any) error {
	return fmt.Errorf("backing %s: %s", s.Options.Name, fmt.Sprintf(format, args...))
}

// at is called before each statement that changes the server.
func (s server) at(point string) {
	if s.Hook != nil {
		s.Hook(point)
	}
}

// unreachable is the error of a server that does not answer, or not now.
func (s server) unreachable(err error) error {
	return &provisioner.TemporaryError{After: 10 * time.Second, Err: err,
		Reason: fmt.Sprintf("the backing server %s does not answer at %s: start it, or correct its address", s.Options.Name, s.Address)}
}

// denied is the error of a server that does not let frama in, or not do something.
func (s server) denied(err error) error {
	return &provisioner.TemporaryError{After: time.Minute, Err: err,
		Reason: fmt.Sprintf("the backing server %s denies it to frama: check user and password of its declaration, "+
			"and its rights (docs/operate/backing.md)", s.Options.Name)}
}

// foreign is the error of something that has the name but was not made by frama for the instance.
func (s server) foreign(what, name string) error {
	return s.refused(nil, "the %s %s exists and was not made by frama for this instance: rename or remove it, then retry", what, name)
}

// refused is an error that only a person can mend.
func (s server) refused(err error, format string, args ...any) error {
	return &provisioner.RefusedError{Reason: fmt.Sprintf("backing server %s: %s", s.Options.Name, fmt.Sprintf(format, args...)), Err: err}
}

// errPassword says that a user is there but the password is not its.
var errPassword = errors.New("wrong password")

// loginFailed is the error of an instance that is not let in.
func (s server) loginFailed(name string, err error) error {
	return s.refused(fmt.Errorf("%w: %w", errPassword, err), "the instance's own account %s is not let in "+
		"(frama backing check --repair sets it right; if that does not help, look at the server's rules for who may connect)", name)
}

// ensureLogin signs in as the instance, and sets its password where that fails.
func ensureLogin(ctx context.Context, b provisioner.Backing, g provisioner.Grant, set func() error) error {
	err := b.Login(ctx, g)
	if !errors.Is(err, errPassword) {
		return err
	}
	if err := set(); err != nil {
		return err
	}
	return b.Login(ctx, g)
}

// mark is what says that something was made for an instance.
func mark(instance string) string { return "frama:" + instance }

// secretLength gives passwords 190 bits.
const secretLength = 32

// onePassword is Secrets for kinds with one password.
func onePassword(key string, random io.Reader) map[string]string {
	return map[string]string{key: provisioner.SecretText(random, secretLength)}
}

// isNetwork says whether nobody answered.
func isNetwork(err error) bool {
	var op net.Error
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
