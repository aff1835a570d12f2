package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"framagit.org/frama/frama/provisioner/isolation"
)

// firewallConf is what instances may reach and who reaches them, beside what the rest of the configuration says already:
// backing servers and the ingress. See docs/operate/firewall.md.
type firewallConf struct {
	Prefix    string   `mapstructure:"prefix" default:"frama" doc:"begins the names of networks and bridges on the nodes; another for each cluster that shares machines"`
	Allow     []string `mapstructure:"allow" doc:"more servers that every instance may reach, host:port, or host:port/udp"`
	Deny      []string `mapstructure:"deny" doc:"addresses and networks that no instance reaches although they are public: the host's own machines"`
	DNS       []string `mapstructure:"dns" doc:"resolvers that instances may ask; those of each node when empty"`
	PublicUDP string   `mapstructure:"public_udp" doc:"published ports that everybody reaches by UDP, e.g. 30000-32000 for calls of Jitsi"`
	None      string   `mapstructure:"none" default:"172.31.240.0/22" doc:"addresses of instances that reach declared servers only"`
	Mail      string   `mapstructure:"mail" default:"172.31.244.0/22" doc:"addresses of instances that also reach mail servers"`
	Web       string   `mapstructure:"web" default:"172.31.248.0/22" doc:"addresses of instances that reach the internet"`
	CNI       string   `mapstructure:"cni" default:"/opt/cni/config" doc:"Nomad's cni_config_dir, for applications whose tasks share a network; empty for none"`
	Docker    string   `mapstructure:"docker" default:"/var/run/docker.sock" doc:"socket of Docker on the nodes"`
}

// mailboxes is where Roundcube looks for people's mail: the relay's host, IMAP over TLS.
const mailboxes = "993"

// firewall is what the nodes have to know.
func (c config) firewall() (isolation.Config, error) {
	f := isolation.Config{
		Prefix:  c.Firewall.Prefix,
		Ingress: c.Edge.Addresses, Deny: c.Firewall.Deny, DNS: c.Firewall.DNS, PublicUDP: c.Firewall.PublicUDP, CNI: c.Firewall.CNI,
		Docker: c.Firewall.Docker, Ports: strconv.Itoa(c.Ports.Min) + "-" + strconv.Itoa(c.Ports.Max), Endpoints: slices.Clone(c.Firewall.Allow),
		Subnets: map[isolation.Class]netip.Prefix{},
	}
	for class, text := range map[isolation.Class]string{isolation.None: c.Firewall.None, isolation.Mail: c.Firewall.Mail, isolation.Web: c.Firewall.Web} {
		subnet, err := netip.ParsePrefix(text)
		if err != nil {
			return f, fmt.Errorf("%s: %q is no network, as 172.31.240.0/22", class, text)
		}
		f.Subnets[class] = subnet
	}
	for _, b := range c.Backing {
		address := b.Address
		if b.SeenAs != "" {
			address = b.SeenAs
		}
		f.Endpoints = append(f.Endpoints, address)
		if host, _, err := net.SplitHostPort(address); err == nil && b.Kind == "smtp" {
			f.Endpoints = append(f.Endpoints, net.JoinHostPort(host, mailboxes))
		}
	}
	// Instances reach one another by their public names, through the ingress. Every name of the platform leads there.
	f.Endpoints = append(f.Endpoints, net.JoinHostPort("ingress."+c.Platform.Domain, strconv.Itoa(c.Platform.HTTPSPort)))
	for _, text := range c.Edge.Addresses {
		if a, err := netip.ParseAddr(text); err == nil {
			f.Endpoints = append(f.Endpoints, net.JoinHostPort(a.String(), strconv.Itoa(c.Platform.HTTPSPort)))
		}
	}
	slices.Sort(f.Endpoints)
	f.Endpoints = slices.Compact(f.Endpoints)
	return f, f.Check()
}

// checkFirewall finds what the nodes would refuse.
func (c config) checkFirewall() []string {
	if _, err := c.firewall(); err != nil {
		return []string{"firewall: " + err.Error()}
	}
	return nil
}
