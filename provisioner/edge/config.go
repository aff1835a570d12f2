package edge

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed haproxy.cfg.tmpl
var configText string

//go:embed pages
var pageFiles embed.FS

// settings is what haproxy.cfg depends on. Nothing of a snapshot is in it: a change of routes, certificates or of the
// ACME account never needs a reload.
type settings struct {
	layout      layout
	http, https string // listen addresses, host:port
	publicPort  int    // the https port visitors use
	user, group string
	hsts        time.Duration // 0 for none
}

// checkListen accepts IP:port and :port.
func checkListen(addr string) (port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("listen address %q is not host:port", addr)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("listen address %q: the port must be 1 to 65535", addr)
	}
	if host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			return 0, fmt.Errorf("listen address %q: give an IP address, or only a port to listen on all", addr)
		}
	}
	return port, nil
}

// bind writes a listen address HAProxy's way. An empty host means every address, of IPv6 too where the machine has it.
func bind(addr string, ipv6 bool) string {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case err != nil:
		return addr
	case host == "" && ipv6:
		return ":::" + port + " v4v6"
	case host == "":
		return "*:" + port
	case strings.Contains(host, ":"):
		return host + ":" + port // no brackets: the last colon divides
	}
	return addr
}

// hasIPv6 says whether the machine can listen on IPv6.
func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// render gives haproxy.cfg and its digest, which also covers the pages: HAProxy reads those at start only. The running
// HAProxy tells its digest in its description, so that one can see whether it runs this very configuration.
func (s settings) render(ipv6 bool, pages map[string][]byte) (config []byte, digest string, err error) {
	t, err := template.New("haproxy.cfg").Option("missingkey=error").Parse(configText)
	if err != nil {
		return nil, "", fmt.Errorf("haproxy.cfg: %w", err)
	}
	location := "https://%[var(txn.host)]"
	if s.publicPort != 443 {
		location += ":" + strconv.Itoa(s.publicPort)
	}
	values := map[string]any{
		"Admin": s.layout.admin(), "Hosts": s.layout.hosts(), "Writes": s.layout.writes(), "Acme": s.layout.acme(), "CrtList": s.layout.crtList(),
		"Pages": s.layout.pages(), "HTTP": bind(s.http, ipv6), "HTTPS": bind(s.https, ipv6),
		"Location": location + "%[pathq]", "User": s.user, "Group": s.group,
		"HSTS": int(s.hsts / time.Second), "Digest": "",
	}
	var draft bytes.Buffer
	if err := t.Execute(&draft, values); err != nil {
		return nil, "", fmt.Errorf("haproxy.cfg: %w", err)
	}
	sum := sha256.New()
	sum.Write(draft.Bytes())
	for _, name := range pageNames() {
		fmt.Fprintf(sum, "\n%s %d\n", name, len(pages[name]))
		sum.Write(pages[name])
	}
	digest = hex.EncodeToString(sum.Sum(nil)[:8])
	values["Digest"] = digest
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, "", fmt.Errorf("haproxy.cfg: %w", err)
	}
	return out.Bytes(), digest, nil
}

// pageNames are the pages HAProxy shows, without their folder.
func pageNames() []string {
	return []string{
		"read-only.en.html", "read-only.en.json", "read-only.fr.html", "read-only.fr.json", "starting.html", "suspended.html",
		"unavailable.html", "unknown.html",
	}
}

// loadPages reads the pages that are built in. Each must fit into one buffer of HAProxy with its headers.
func loadPages() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, name := range pageNames() {
		b, err := fs.ReadFile(pageFiles, path.Join("pages", name))
		if err != nil {
			return nil, fmt.Errorf("built-in page: %w", err)
		}
		if len(b) > 12<<10 {
			return nil, fmt.Errorf("built-in page %s has %d bytes, HAProxy's buffer has room for 12288", name, len(b))
		}
		out[name] = b
	}
	return out, nil
}
