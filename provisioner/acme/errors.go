package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-acme/lego/v4/acme"

	"framagit.org/frama/frama/provisioner"
)

// Problem types of RFC 8555, 6.7.
const (
	problems            = "urn:ietf:params:acme:error:"
	problemNoAccount    = problems + "accountDoesNotExist"
	problemConnection   = problems + "connection"
	problemDNS          = problems + "dns"
	problemTLS          = problems + "tls"
	problemCAA          = problems + "caa"
	problemRejected     = problems + "rejectedIdentifier"
	problemUnauthorized = problems + "unauthorized"
	problemEAB          = problems + "externalAccountRequired"
	problemLimit        = problems + "rateLimited"
)

const (
	// afterFault is when to ask again an authority that is down.
	afterFault = 5 * time.Minute
	// afterLimit is when to ask again one that limits and does not say for how long.
	afterLimit = time.Hour
	// afterInvalid spaces failed validations: public authorities allow five per host and hour.
	afterInvalid = 15 * time.Minute
	// afterPreflight costs nothing at the authority.
	afterPreflight = time.Minute
)

// accountUnknown says that the authority does not know the account that signed.
func accountUnknown(err error) bool {
	var p *acme.ProblemDetails
	return errors.As(err, &p) && p.Type == problemNoAccount
}

// replacementRefused says that the order was refused for the certificate it was to replace: it was replaced before, or
// another authority issued it.
func replacementRefused(err error) bool {
	var already *acme.AlreadyReplacedError
	if errors.As(err, &already) {
		return true
	}
	var p *acme.ProblemDetails
	return errors.As(err, &p) && p.HTTPStatus < 500 && strings.Contains(strings.ToLower(p.Detail), "replace")
}

// explain turns lego's errors into ones that say what happened, what to do, and whether coming back later helps.
func (i *Issuer) explain(host string, err error) error {
	var (
		temporary *provisioner.TemporaryError
		busy      *busyError
		problem   *acme.ProblemDetails
		unknownCA x509.UnknownAuthorityError
		transport *url.Error
		network   net.Error
	)
	switch {
	case errors.As(err, &temporary):
		return temporary // the pre-flight's own words
	case errors.As(err, &busy):
		return busy.explain(i.opts.Directory)
	case errors.As(err, &problem):
		return explainProblem(host, problem)
	case errors.As(err, &unknownCA):
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("the certificate of the ACME directory %s is not trusted here: "+
				"name the file of its authority in the configuration (CA file), or correct the address", i.opts.Directory),
			After: afterFault, Err: err,
		}
	case errors.As(err, &transport), errors.As(err, &network):
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("the certificate authority at %s cannot be reached: "+
				"check its address, this machine's DNS and its way out to the internet", i.opts.Directory),
			After: afterFault, Err: err,
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case host == "":
		return fmt.Errorf("prepare the ACME account: %w", err)
	}
	return fmt.Errorf("get a certificate for %s: %w", host, err)
}

// explainProblem handles what the authority said itself.
func explainProblem(host string, p *acme.ProblemDetails) error {
	later := func(advice string) error {
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("the certificate authority could not validate %s: %s", host, advice), After: afterInvalid, Err: p,
		}
	}
	switch p.Type {
	case problemConnection, problemTLS:
		return later("it must reach port 80 of the ingress; check the firewall and all A and AAAA records of the host")
	case problemDNS:
		return later("check that the host has an A or AAAA record and that its DNS servers answer")
	case problemUnauthorized:
		return fmt.Errorf("the certificate authority got a wrong answer from %s: check that all of its A and AAAA records "+
			"lead to the ingress of this platform: %w", host, p)
	case problemCAA:
		return fmt.Errorf("a CAA record forbids this authority to certify %s: add the authority to it: %w", host, p)
	case problemRejected:
		return fmt.Errorf("the certificate authority does not certify names such as %s: %w", host, p)
	case problemEAB:
		return fmt.Errorf("the certificate authority wants accounts bound to one it knows: "+
			"configure the key ID and HMAC key it gave you: %w", p)
	}
	if host == "" {
		return fmt.Errorf("the certificate authority refuses the account: %w", p)
	}
	return fmt.Errorf("the certificate authority refuses a certificate for %s: %w", host, p)
}
