package dev

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// MaildevOptions say where the mailbox listens.
type MaildevOptions struct {
	Data string // the platform's folder; the mails are files in maildev/mails

	// Number 0: one that is free, and at later starts the same one again.
	SMTP, Web Port

	Address string // where it takes mail: 127.0.0.1 when empty
}

// Maildev takes mail for anybody over SMTP, without TLS or password, delivers none, and shows it in a browser.
type Maildev struct {
	*Process

	SMTPAddr string // host:port
	WebURL   string // for people; GET /email lists the mails as JSON
}

// StartMaildev starts a mailbox, with the mails of earlier starts in it.
func StartMaildev(ctx context.Context, o MaildevOptions) (*Maildev, error) {
	node, err := Tool("node")
	if err != nil {
		return nil, err
	}
	program, err := Tool("maildev")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(absolute(o.Data), "maildev")
	if err := resolvePorts(filepath.Join(dir, "ports.json"), &o.SMTP, &o.Web); err != nil {
		return nil, fmt.Errorf("start maildev: %w", err)
	}
	mails := filepath.Join(dir, "mails")
	if err := os.MkdirAll(mails, 0o700); err != nil {
		return nil, fmt.Errorf("start maildev: %w", err)
	}
	m := &Maildev{SMTPAddr: net.JoinHostPort(orLoopback(o.Address), strconv.Itoa(o.SMTP.Number)), WebURL: "http://" + o.Web.Address()}
	m.Process, err = Start(ctx, Command{
		Name: "maildev", Path: node, Data: dir,
		Args: []string{
			program, "--mail-directory", mails, "--ip", orLoopback(o.Address), "--web-ip", "127.0.0.1",
			"--smtp", strconv.Itoa(o.SMTP.Number), "--web", strconv.Itoa(o.Web.Number),
		},
		Ready: func(ctx context.Context) error {
			if _, err := get(ctx, http.DefaultClient, m.WebURL+"/healthz"); err != nil {
				return err
			}
			return dials(m.SMTPAddr)(ctx)
		},
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}
