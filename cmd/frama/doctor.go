package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store"
)

// finding is what doctor says of one thing frama depends on.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"`
}

func newDoctorCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", GroupID: "admin", Args: cobra.NoArgs, Short: "Checks everything frama depends on, and says how to mend it",
		Long: `Checks database, disk, Nomad and its ACL, what the offered applications need of nodes and backing servers, ACME directory, mail
server, backing servers, DNS, ingress, clock, plans and measuring. It changes nothing.`,
		Example: "  frama doctor\n  frama doctor --json | jq '.[] | select(.ok | not)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			findings := c.examine(cmd.Context(), conf)
			if err := c.print(findings, func(w io.Writer) { writeFindings(w, findings) }); err != nil {
				return err
			}
			for _, f := range findings {
				if !f.OK {
					return errSilent
				}
			}
			return nil
		},
	}
}

func writeFindings(w io.Writer, findings []finding) {
	bad := 0
	for _, f := range findings {
		mark := "ok  "
		if !f.OK {
			mark, bad = "FAIL", bad+1
		}
		fmt.Fprintf(w, "%s  %-20s %s\n", mark, f.Name, f.Detail)
		if !f.OK && f.Mend != "" {
			fmt.Fprintf(w, "      %-20s → %s\n", "", f.Mend)
		}
	}
	if bad == 0 {
		fmt.Fprintln(w, "All is well.")
		return
	}
	fmt.Fprintf(w, "%d of %d need care.\n", bad, len(findings))
}

// examine looks at everything; one failure does not hide the others.
func (c *cli) examine(ctx context.Context, conf config) []finding {
	var all []finding
	add := func(f ...finding) { all = append(all, f...) }
	a, err := c.wireExisting(ctx, conf)
	if err != nil {
		add(finding{"database", false, err.Error(), "see database, seal.key_file and catalogue.dirs in the configuration"})
		a = &app{config: conf, log: c.logger(conf)}
	} else {
		defer a.store.Close()
		add(a.examineDatabase(ctx))
		add(examineDisk(conf)...)
	}
	add(a.examineNomad(ctx)...)
	if a.store != nil {
		add(a.examineNeeds(ctx)...)
	}
	add(a.examineACME(ctx)...)
	add(a.examineMail(ctx))
	add(a.examineBacking(ctx)...)
	add(examineDNS(ctx, conf.Platform.Domain))
	if a.store != nil {
		add(a.examineEdges(ctx))
		if a.checkSchema(ctx) == nil {
			add(a.examinePlans(ctx), a.examineUsage(ctx))
		}
	}
	return all
}

// wireExisting connects to a database that is there: looking must not make one.
func (c *cli) wireExisting(ctx context.Context, conf config) (*app, error) {
	if path, ok := strings.CutPrefix(conf.Database, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("no database yet: run frama migrate: %w", err)
		}
	}
	return c.wire(ctx, conf, seal.Load)
}

func (a *app) examineDatabase(ctx context.Context) finding {
	f := finding{Name: "database", Detail: a.store.Dialect() + ", schema up to date"}
	err := a.checkSchema(ctx)
	if err == nil {
		err = a.store.Read(ctx, func(tx *store.Tx) error { return tx.CheckSeal() })
	}
	if f.OK = err == nil; !f.OK {
		f.Detail, f.Mend = err.Error(), "the message says what to do"
	}
	return f
}

// minFree is the room below which a database and an ingress soon stop, in bytes.
const minFree = 1 << 30

func examineDisk(conf config) []finding {
	path, ok := strings.CutPrefix(conf.Database, "sqlite:")
	if !ok {
		return nil
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &s); err != nil {
		return []finding{{"disk", false, err.Error(), "make the folder, or correct database"}}
	}
	free := int64(s.Bavail) * s.Bsize
	return []finding{{"disk", free >= minFree, fmt.Sprintf("%d MiB free in %s", free>>20, filepath.Dir(path)), "free at least 1 GiB"}}
}

func (a *app) examineNomad(ctx context.Context) []finding {
	cluster, err := a.cluster()
	if err != nil {
		return []finding{{"nomad", false, err.Error(), "correct the keys under [nomad]"}}
	}
	var all []finding
	for _, check := range cluster.Doctor(ctx) {
		all = append(all, finding{"nomad " + check.Name, check.OK, check.Detail, check.Mend})
	}
	return all
}

// maxSkew is how far clocks may be apart: ACME nonces and signatures bear minutes, certificates that are valid "from
// now" much less.
const maxSkew = 30 * time.Second

// examineACME reads the directory and, from the same answer, how far this machine's clock is off.
func (a *app) examineACME(ctx context.Context) []finding {
	c := a.config.ACME
	mend := "check acme.directory, acme.ca_file and that this machine may reach it"
	client, err := acmeClient(c)
	if err != nil {
		return []finding{{"acme", false, err.Error(), mend}}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Directory, nil)
	if err != nil {
		return []finding{{"acme", false, err.Error(), mend}}
	}
	resp, err := client.Do(req)
	if err != nil {
		var expired x509.CertificateInvalidError
		if errors.As(err, &expired) && expired.Reason == x509.Expired {
			mend = "this machine's clock may be wrong: check it (timedatectl), then acme.ca_file"
		}
		return []finding{{"acme", false, err.Error(), mend}}
	}
	defer resp.Body.Close()
	all := []finding{{"acme", resp.StatusCode == http.StatusOK, fmt.Sprintf("%s answers %s", c.Directory, resp.Status), mend}}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		skew := time.Since(date).Round(time.Second)
		all = append(all, finding{"clock", skew.Abs() <= maxSkew, fmt.Sprintf("%s off the ACME server's", skew.Abs()),
			"set the clock, and keep it right with NTP (timedatectl set-ntp true)"})
	}
	return all
}

func acmeClient(c acmeConfig) (*http.Client, error) {
	roots, err := trusted("acme.ca_file", c.CAFile)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, nil
}

func (a *app) examineMail(ctx context.Context) finding {
	f := finding{Name: "smtp", OK: true, Detail: a.config.SMTP.Host + " takes mail"}
	sender, err := a.sender()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		err = sender.Check(ctx)
	}
	if err != nil {
		f.OK, f.Detail, f.Mend = false, err.Error(), "correct the keys under [smtp]"
		var problem *mail.Problem
		if errors.As(err, &problem) {
			f.Detail, f.Mend = problem.Err.Error(), problem.Mend
		}
	}
	return f
}

// examineDNS asks for a name that nobody has: spaces need a wildcard.
func examineDNS(ctx context.Context, domain string) finding {
	name := "frama-doctor-" + newID()[:8] + "." + domain
	mend := fmt.Sprintf("add the records *.%s (A and AAAA) that point to the ingress", domain)
	if domain == "localhost" || strings.HasSuffix(domain, ".localhost") {
		return finding{"dns", true, domain + " is for development: browsers take it to this machine", ""}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return finding{"dns", false, err.Error(), mend}
	}
	return finding{"dns", true, "*." + domain + " is " + strings.Join(addresses, ", "), ""}
}

func (a *app) examineEdges(ctx context.Context) finding {
	f := finding{Name: "ingress", Mend: "start frama edge on each ingress node, with frama serve running"}
	err := a.store.Read(ctx, func(tx *store.Tx) error {
		version, err := tx.EdgeVersion()
		if err != nil {
			return err
		}
		edges, err := tx.EdgesSince(tx.Now.Add(-2 * time.Minute))
		f.OK = len(edges) > 0
		f.Detail = "no agent reported in the last two minutes"
		var parts []string
		for _, e := range edges {
			parts = append(parts, fmt.Sprintf("%s serves version %d of %d %s", e.Name, e.Version, version, e.Problem))
			f.OK = f.OK && e.Problem == ""
		}
		if len(parts) > 0 {
			f.Detail = strings.Join(parts, "; ")
		}
		return err
	})
	if err != nil {
		f.OK, f.Detail = false, err.Error()
	}
	return f
}
