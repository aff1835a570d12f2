package edge

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"framagit.org/frama/frama/provisioner"
)

// maxProblem bounds, in characters, what an agent reports about one snapshot.
const maxProblem = 2000

// plan is what HAProxy should do, made of what is sound in a snapshot. Everything in it is safe to write into map files
// and runtime commands: both are split at spaces, newlines and semicolons, so those never get this far.
type plan struct {
	thumbprint   string            // empty while frama has no ACME account
	routes       map[string]string // host → "ip|port", "ip|port|read-only", "starting" or "suspended"
	writes       map[string]string // host and prefix of a path where a read-only host lets all through → "1"
	certificates []certificate     // sorted by file
	problems     []string          // what was skipped and why
}

var (
	label      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	thumbprint = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`) // base64url of a SHA-256
)

// newPlan keeps what is sound. One bad route or certificate never blocks the rest.
func newPlan(s provisioner.Snapshot, now time.Time) plan {
	p := plan{routes: make(map[string]string, len(s.Routes)), writes: map[string]string{}}
	switch {
	case s.Thumbprint == "":
	case thumbprint.MatchString(s.Thumbprint):
		p.thumbprint = s.Thumbprint
	default:
		p.skip("the ACME thumbprint %s is not base64url of 32 bytes: challenges go unanswered", quote(s.Thumbprint))
	}
	for _, r := range s.Routes {
		host, value, err := route(r)
		if err != nil {
			p.skip("route %s skipped: %v", quote(r.Host), err)
			continue
		}
		if _, twice := p.routes[host]; twice {
			p.skip("route %s skipped: the host appears twice", host)
			continue
		}
		p.routes[host] = value
		if r.ReadOnly && r.State == provisioner.RouteActive {
			p.open(host, r.Writes)
		}
	}
	byFile := map[string]certificate{}
	for _, c := range s.Certificates {
		cert, warning, err := newCertificate(c, now)
		if err != nil {
			p.skip("certificate %s skipped: %v", quote(c.ID), err)
			continue
		}
		if warning != "" {
			p.skip("certificate %s: %s", c.ID, warning)
		}
		byFile[cert.file] = cert
	}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		p.certificates = append(p.certificates, byFile[file])
	}
	return p
}

// plainPrefix is a path that stands for itself and nothing else, whoever reads it: no escapes, no dots or slashes in a row.
var plainPrefix = regexp.MustCompile(`^(/\.?[A-Za-z0-9_~@:+,=-][A-Za-z0-9._~@:+,=-]{0,100}){1,8}/?$`)

// open notes the prefixes of paths where a host that is for reading only lets all through.
func (p *plan) open(host string, prefixes []string) {
	for _, prefix := range prefixes {
		if !plainPrefix.MatchString(prefix) {
			p.skip("route %s: nothing can be written below %s: not a plain path", host, quote(prefix))
			continue
		}
		p.writes[host+prefix] = "1"
	}
}

func (p *plan) skip(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// without leaves out certificates that HAProxy itself refuses.
func (p plan) without(refused map[string]string) plan {
	var kept []certificate
	problems := slices.Clone(p.problems)
	for _, c := range p.certificates {
		if why, bad := refused[c.file]; bad {
			problems = append(problems, fmt.Sprintf("certificate %s skipped: HAProxy refuses it: %s", c.id, why))
			continue
		}
		kept = append(kept, c)
	}
	p.certificates, p.problems = kept, problems
	return p
}

// problem is all problems in one text short enough to be shown.
func (p plan) problem() string { return printable(strings.Join(p.problems, "; "), maxProblem) }

// route checks a route and gives the entry of the map.
func route(r provisioner.Route) (host, value string, err error) {
	host = strings.ToLower(r.Host)
	if err := checkHost(host); err != nil {
		return "", "", err
	}
	switch r.State {
	case provisioner.RouteStarting, provisioner.RouteSuspended:
		return host, string(r.State), nil
	case provisioner.RouteActive:
	default:
		return "", "", fmt.Errorf("unknown state %s", quote(string(r.State)))
	}
	ap, err := netip.ParseAddrPort(r.Address)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("address %s is not IP:port", quote(r.Address))
	case ap.Port() == 0, ap.Addr().IsUnspecified(), ap.Addr().IsMulticast(), ap.Addr().Zone() != "":
		return "", "", fmt.Errorf("address %s cannot be connected to", quote(r.Address))
	}
	// A bar divides address and port, since IPv6 addresses are full of colons.
	value = ap.Addr().Unmap().String() + "|" + strconv.Itoa(int(ap.Port()))
	if r.ReadOnly {
		value += "|read-only"
	}
	return host, value, nil
}

// checkHost accepts what RFC 1123 calls a host name, in lower case; international names come in their xn-- form.
func checkHost(host string) error {
	if host == "" || len(host) > 253 {
		return fmt.Errorf("a host name has 1 to 253 characters")
	}
	for part := range strings.SplitSeq(host, ".") {
		if !label.MatchString(part) {
			return fmt.Errorf("not a host name: %s is not a label of letters, digits and inner dashes", quote(part))
		}
	}
	return nil
}

// quote shows a string that may be hostile or endless.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}

// printable bounds a text and takes control characters out of it, so that logs and terminals show it as it is.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit-1]) + "…"
	}
	return s
}
