package isolation

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"
)

// addresses are the configured ones, resolved.
type addresses struct {
	ingress, deny []netip.Prefix
	endpoints     []endpoint
}

// endpoint is one address and port that instances may reach.
type endpoint struct {
	address  netip.Addr
	protocol string // tcp or udp
	port     int
}

// closed are networks that no instance reaches: those that are not of the internet. What is declared comes before.
func closed() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range strings.Fields(`
		0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16 198.18.0.0/15
		224.0.0.0/4 240.0.0.0/4
		2001::/32 2002::/16`) { // the last two wrap addresses of IPv4 (Teredo, 6to4); all but 2000::/3 is closed by a rule
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// rulesText is one transaction: the old table goes and the new one comes at once. Declaring the table first makes deleting it
// work the first time too.
//
// Both chains come before those of Docker and of iptables, at priority filter (0). What is refused here is refused; what passes
// meets their rules next. Docker has translated addresses of published ports by then.
var rulesText = template.Must(template.New("rules").Parse(`table inet {{.Table}}
delete table inet {{.Table}}
table inet {{.Table}} {
	set ingress4 { type ipv4_addr; flags interval; auto-merge; {{.Ingress4}} }
	set ingress6 { type ipv6_addr; flags interval; auto-merge; {{.Ingress6}} }
	set closed4 { type ipv4_addr; flags interval; auto-merge; {{.Closed4}} }
	set closed6 { type ipv6_addr; flags interval; auto-merge; {{.Closed6}} }
	set endpoints4 { type ipv4_addr . inet_proto . inet_service; {{.Endpoints4}} }
	set endpoints6 { type ipv6_addr . inet_proto . inet_service; {{.Endpoints6}} }

	chain forward {
		type filter hook forward priority filter - 5; policy accept;
		iifname { {{.All}} } jump from_instance
		oifname { {{.All}} } jump to_instance
	}

	chain input {
		type filter hook input priority filter - 5; policy accept;
		iifname { {{.All}} } jump to_node
		meta l4proto { tcp, udp } th dport {{.Ports}} jump published
	}

	# From an instance to somewhere beyond the node.
	chain from_instance {
		ct state related accept
		ct state established ct direction reply accept
		oifname { {{.All}} } counter reject with icmpx admin-prohibited comment "another instance"
		ip daddr . meta l4proto . th dport @endpoints4 accept
		ip6 daddr . meta l4proto . th dport @endpoints6 accept
		ip daddr @closed4 counter reject with icmpx admin-prohibited comment "not of the internet"
		ip6 daddr @closed6 counter reject with icmpx admin-prohibited
		ip6 daddr != 2000::/3 counter reject with icmpx admin-prohibited
		iifname { {{.Mail}} } tcp dport { 25, 143, 465, 587, 993 } accept
		iifname { {{.Web}} } tcp dport != 25 accept
		iifname { {{.Web}} } meta l4proto udp accept
		counter reject with icmpx admin-prohibited comment "not of this class"
	}

	# From an instance to the node itself: its addresses, gateways, docker-proxy.
	chain to_node {
		ct state related accept
		ct state established ct direction reply accept
		ip daddr . meta l4proto . th dport @endpoints4 accept
		ip6 daddr . meta l4proto . th dport @endpoints6 accept
		counter reject with icmpx admin-prohibited comment "the node"
	}

	# From elsewhere to an instance, its published port translated.
	chain to_instance {
		ct state related accept
		ct state established ct direction reply accept
		ip saddr @ingress4 accept
		ip6 saddr @ingress6 accept{{with .PublicUDP}}
		meta l4proto udp ct original proto-dst {{.}} accept{{end}}
		counter drop comment "not from the ingress"
	}

	# From elsewhere to a published port where docker-proxy listens instead.
	chain published {
		iifname "lo" accept
		ct state related accept
		ct state established ct direction reply accept
		ip saddr @ingress4 accept
		ip6 saddr @ingress6 accept{{with .PublicUDP}}
		udp dport {{.}} accept{{end}}
		counter drop comment "not from the ingress"
	}
}

table bridge {{.Table}}
delete table bridge {{.Table}}
table bridge {{.Table}} {
	# Between two ports of one bridge: instances are not neighbours, whether or not bridged packets pass the chains above
	# (br_netfilter). By address, since not every kernel knows the bridge's name here; containers cannot give themselves another.
	# Their gateway is the bridge itself, which is another chain. What is sent to all of them goes to none.
	chain forward {
		type filter hook forward priority 0; policy accept;
		ip saddr { {{.Subnets}} } ip daddr { {{.Subnets}}, 224.0.0.0/4, 255.255.255.255 } counter drop
	}
}
`))

// rules writes what nft reads.
func (c Config) rules(a addresses) (string, error) {
	ports, err := portRange(c.Ports)
	if err != nil {
		return "", err
	}
	udp, err := portRange(c.PublicUDP)
	if err != nil {
		return "", err
	}
	var all, subnets []string
	for _, class := range Classes() {
		all = append(all, c.bridges(class)...)
		subnets = append(subnets, c.Subnets[class].String())
	}
	// From one instance to the next by way of the ingress' address would be to come as the ingress: that address is closed
	// too, but for what is declared.
	shut := slices.Concat(closed(), a.deny, a.ingress)
	values := map[string]string{
		"Table": c.Prefix, "All": quoted(all), "Subnets": strings.Join(subnets, ", "), "Mail": quoted(c.bridges(Mail)), "Web": quoted(c.bridges(Web)), "Ports": ports, "PublicUDP": udp,
		"Ingress4": elements(networks(a.ingress, true)), "Ingress6": elements(networks(a.ingress, false)),
		"Closed4": elements(networks(shut, true)), "Closed6": elements(networks(shut, false)),
		"Endpoints4": elements(endpoints(a.endpoints, true)), "Endpoints6": elements(endpoints(a.endpoints, false)),
	}
	var b strings.Builder
	if err := rulesText.Execute(&b, values); err != nil {
		return "", fmt.Errorf("isolation: %w", err)
	}
	return b.String(), nil
}

func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

// elements of a set. An empty list would be a mistake of syntax.
func elements(list []string) string {
	if len(list) == 0 {
		return ""
	}
	slices.Sort(list)
	return "elements = { " + strings.Join(slices.Compact(list), ", ") + " }"
}

func networks(list []netip.Prefix, four bool) []string {
	var out []string
	for _, p := range list {
		if p.Addr().Is4() == four {
			out = append(out, p.String())
		}
	}
	return out
}

func endpoints(list []endpoint, four bool) []string {
	var out []string
	for _, e := range list {
		if e.address.Is4() == four {
			out = append(out, fmt.Sprintf("%s . %s . %d", e.address, e.protocol, e.port))
		}
	}
	return out
}
