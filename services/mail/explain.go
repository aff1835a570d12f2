package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"syscall"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// explain gives an error of connecting the words of somebody who has met it before.
func (s *Sender) explain(err error) *Problem {
	if reply := (*textproto.Error)(nil); errors.As(err, &reply) {
		return s.explainAnswer(err, reply)
	}
	if p := s.explainTLS(err); p != nil {
		return p
	}
	server := s.address()
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return &Problem{Down, "It was interrupted.", err}
	case errors.As(err, &dns):
		return &Problem{Down, "Check smtp.host, and this machine's DNS.",
			fmt.Errorf("the mail server's name %s cannot be resolved: %w", s.options.Host, err)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Problem{Down, "Start the mail server, or check smtp.host and smtp.port.",
			fmt.Errorf("nothing listens at %s: %w", server, err)}
	case errors.Is(err, errTooSlow), errors.As(err, &network) && network.Timeout():
		return &Problem{Down, "Check smtp.port. A firewall may be in between, or the port speaks TLS " +
			"from the first byte: then set smtp.tls to \"tls\" (usual at port 465).",
			fmt.Errorf("%s does not answer in time: %w", server, err)}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return &Problem{Down, "Look into its log: it may refuse this machine's address, or expect another smtp.tls.",
			fmt.Errorf("%s closed the connection: %w", server, err)}
	}
	return &Problem{Down, "Check smtp.host and smtp.port.", fmt.Errorf("connect to the mail server %s: %w", server, err)}
}

// explainTLS explains what goes wrong with encryption, or returns nil. go-mail has no values for two of its errors,
// so these are known by their text, which a test pins.
func (s *Sender) explainTLS(err error) *Problem {
	server, host := s.address(), s.options.Host
	var record tls.RecordHeaderError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &record):
		return &Problem{Down, "Set smtp.tls to \"starttls\", or use the port for TLS (usually 465).",
			fmt.Errorf("%s does not start with TLS: %w", server, err)}
	case errors.As(err, &name):
		return &Problem{Down, "Set smtp.host to a name that is in the certificate.",
			fmt.Errorf("the certificate of %s is for another name than %s: %w", server, host, err)}
	case errors.As(err, &authority):
		return &Problem{Down, "Add the authority to this machine's trusted ones (ca-certificates), or give the server a public " +
			"certificate; for a relay on this very machine smtp.tls may be \"none\".",
			fmt.Errorf("the certificate of %s comes from an authority this machine does not know: %w", server, err)}
	case errors.As(err, &invalid):
		return &Problem{Down, "Renew the server's certificate, and check this machine's clock.",
			fmt.Errorf("the certificate of %s is not valid: %w", server, err)}
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return &Problem{Down, "Set smtp.tls to \"tls\" with its port (usually 465); for a relay on this very machine, to \"none\".",
			fmt.Errorf("%s offers no encryption: %w", server, err)}
	case strings.Contains(err.Error(), "does not support SMTP AUTH"), errors.Is(err, gomail.ErrNoSupportedAuthDiscovered):
		return &Problem{Down, "Many servers ask for passwords inside TLS only: set smtp.tls to \"starttls\". " +
			"A server that wants none needs no username.",
			fmt.Errorf("%s offers no way to sign in that frama can use: %w", server, err)}
	case errors.Is(err, smtp.ErrUnencrypted):
		return &Problem{Down, "Set smtp.tls to \"starttls\" or \"tls\".",
			fmt.Errorf("the password was not sent, since the connection to %s is not encrypted: %w", server, err)}
	}
	return nil
}

// explainAnswer explains a server that answers, but not as hoped.
func (s *Sender) explainAnswer(err error, reply *textproto.Error) *Problem {
	said := fmt.Errorf("the mail server %s answered %s", s.address(), answer(reply))
	switch {
	case strings.Contains(err.Error(), "SMTP AUTH") && reply.Code >= 500:
		return &Problem{Down, "Check smtp.username and smtp.password.", fmt.Errorf("signing in failed: %w", said)}
	case reply.Code >= 500:
		return &Problem{Down, "It refuses this machine: check that this machine's host name is its full name in " +
			"the DNS, and that its address is on no block list.", said}
	case reply.Code >= 400:
		return &Problem{Down, "It is tried again. If that lasts, look into the server's log.", said}
	}
	return &Problem{Down, "This is no mail server: check smtp.host and smtp.port.", said}
}
