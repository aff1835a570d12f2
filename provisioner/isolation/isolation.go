// Package isolation keeps instances apart on a node: from one another, from the node itself and from the network around it.
//
// Each class of outgoing traffic is a Docker network with a bridge of a fixed name (networks.go), and one nftables table of
// frama's own has the rules for these bridges (rules.go). Keep makes both and mends them as long as it runs (keep.go). Rules
// are by bridge, never by container: nothing changes when an instance starts or stops.
//
// The table can only take away: what it lets pass still meets the rules of Docker and of the host. It never names another
// interface than frama's own.
package isolation

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Class is what an application may reach beside the declared endpoints.
type Class string

// Classes of outgoing traffic, as manifests name them (egress).
const (
	None Class = "none" // nothing
	Mail Class = "mail" // mail servers of the internet: TCP 25, 465, 587 (SMTP), 143 and 993 (IMAP)
	Web  Class = "web"  // public addresses, but for TCP 25
)

// Classes lists all of them, the narrowest first.
func Classes() []Class { return []Class{None, Mail, Web} }

// DefaultPrefix begins the names of networks, bridges and tables.
const DefaultPrefix = "frama"

// Network is the Docker network of a class: frama-web.
func Network(prefix string, c Class) string { return prefix + "-" + string(c) }

// Config configures the networks and rules of a node. It is the same on all nodes of a cluster.
type Config struct {
	// Prefix of names, DefaultPrefix when empty. Tests use their own, to run beside others.
	Prefix string `json:"prefix,omitempty"`
	// Subnets by class: IPv4, /28 or larger. The lower half is Docker's, the upper half that of CNI.
	Subnets map[Class]netip.Prefix `json:"subnets"`
	// Ingress are the addresses and networks that reach instances from outside the node.
	Ingress []string `json:"ingress"`
	// Endpoints are host:port that every instance may reach, TCP; host:port/udp for UDP. Names are resolved on the node, again
	// and again.
	Endpoints []string `json:"endpoints"`
	// DNS are resolvers that instances may ask. Where it is empty, those of the node.
	DNS []string `json:"dns,omitempty"`
	// Deny are networks and addresses that no instance reaches although they are public: the host's own machines.
	Deny []string `json:"deny,omitempty"`
	// Ports are published ports of instances, as 10000-19999: nobody but the ingress reaches them.
	Ports string `json:"ports"`
	// PublicUDP are published ports that the internet reaches by UDP, as 20000-32000: calls of Jitsi.
	PublicUDP string `json:"public_udp,omitempty"`
	// CNI is the folder of CNI configurations, for groups whose tasks share a network. Empty: none are written.
	CNI string `json:"cni,omitempty"`
	// Docker is the engine's socket, /var/run/docker.sock when empty.
	Docker string `json:"docker,omitempty"`
}

// DefaultSubnets lie at the end of the range that Docker itself takes networks from.
func DefaultSubnets() map[Class]netip.Prefix {
	return map[Class]netip.Prefix{
		None: netip.MustParsePrefix("172.31.240.0/22"),
		Mail: netip.MustParsePrefix("172.31.244.0/22"),
		Web:  netip.MustParsePrefix("172.31.248.0/22"),
	}
}

// Read reads and checks a file in JSON, as frama firewall config prints it.
func Read(path string) (Config, error) {
	var c Config
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("isolation: %w", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, fmt.Errorf("isolation: %s: %w", path, err)
	}
	return c, c.Check()
}

// Check finds what cannot work, and fills in defaults.
func (c *Config) Check() error {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if len(c.Subnets) == 0 {
		c.Subnets = DefaultSubnets()
	}
	if c.Docker == "" {
		c.Docker = "/var/run/docker.sock"
	}
	// An interface has at most 15 characters.
	if len(c.Prefix) > 9 || strings.Trim(c.Prefix, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return fmt.Errorf("isolation: prefix %q: use at most 9 lower-case letters and digits", c.Prefix)
	}
	var seen []netip.Prefix
	for _, class := range Classes() {
		subnet, ok := c.Subnets[class]
		if !ok {
			return fmt.Errorf("isolation: there is no subnet for %s", class)
		}
		if !subnet.Addr().Is4() || subnet.Bits() > 28 || subnet != subnet.Masked() {
			return fmt.Errorf("isolation: subnet %s of %s: use an IPv4 network of /28 or larger, as 172.31.240.0/22", subnet, class)
		}
		if slices.ContainsFunc(seen, subnet.Overlaps) {
			return fmt.Errorf("isolation: subnet %s of %s overlaps another", subnet, class)
		}
		seen = append(seen, subnet)
	}
	for _, list := range [][]string{c.Ingress, c.Deny, c.DNS} {
		for _, s := range list {
			if _, err := network(s); err != nil {
				return err
			}
		}
	}
	for _, s := range c.Endpoints {
		if _, _, _, err := splitEndpoint(s); err != nil {
			return err
		}
	}
	if _, err := portRange(c.Ports); err != nil || c.Ports == "" {
		return fmt.Errorf("isolation: ports %q: name the ports that instances are published on, as 10000-19999", c.Ports)
	}
	if _, err := portRange(c.PublicUDP); err != nil {
		return err
	}
	return nil
}

// halves splits a subnet: Docker's bridge has the lower half, CNI's the upper one.
func halves(p netip.Prefix) (docker, cni netip.Prefix) {
	docker = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	b := p.Addr().As4()
	bit := 31 - p.Bits()
	b[3-bit/8] |= 1 << (bit % 8)
	return docker, netip.PrefixFrom(netip.AddrFrom4(b), p.Bits()+1)
}

// bridges of a class: Docker's, and that of CNI.
func (c Config) bridges(class Class) []string {
	return []string{c.bridge(class), c.cniBridge(class)}
}

func (c Config) bridge(class Class) string    { return Network(c.Prefix, class) + "0" }
func (c Config) cniBridge(class Class) string { return Network(c.Prefix, class) + "1" }

// Closed are the addresses that instances do not reach although they are public.
func (c Config) Closed() []netip.Prefix { return prefixes(slices.Concat(c.Deny, c.Ingress)) }

// prefixes reads addresses and networks, which Check has accepted.
func prefixes(texts []string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for n, text := range texts {
		all[n], _ = network(text)
	}
	return all
}

// network reads an address or a network.
func network(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("isolation: %q is neither an address nor a network, as 192.0.2.7 or 192.0.2.0/24", s)
	}
	return p.Masked(), nil
}

// splitEndpoint takes host:port or host:port/udp apart.
func splitEndpoint(s string) (host, protocol string, port int, err error) {
	address, protocol, given := strings.Cut(s, "/")
	if !given {
		protocol = "tcp"
	}
	i := strings.LastIndexByte(address, ':')
	if i > 0 {
		host = strings.Trim(address[:i], "[]")
		port, err = strconv.Atoi(address[i+1:])
	}
	if i <= 0 || err != nil || port < 1 || port > 65535 || protocol != "tcp" && protocol != "udp" || host == "" {
		return "", "", 0, fmt.Errorf("isolation: %q is not host:port or host:port/udp", s)
	}
	return host, protocol, port, nil
}

// portRange reads 10000-19999, and returns it as nftables writes it. Empty stays empty.
func portRange(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	first, last, given := strings.Cut(s, "-")
	if !given {
		last = first
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err1 != nil || err2 != nil || from < 1 || to > 65535 || from > to {
		return "", fmt.Errorf("isolation: %q is not a range of ports, as 10000-19999", s)
	}
	return fmt.Sprintf("%d-%d", from, to), nil
}
