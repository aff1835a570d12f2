package isolation

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func good() Config {
	return Config{Ports: "10000-19999", Ingress: []string{"192.0.2.10", "2001:db8:1::/64"}, Deny: []string{"198.51.100.0/24"},
		Endpoints: []string{"10.0.0.5:5432", "[2001:db8::5]:587", "10.0.0.6:53/udp"}, DNS: []string{"10.0.0.7"}}
}

func TestCheckFindsWhatCannotWork(t *testing.T) {
	subnets := func(none, web string) map[Class]netip.Prefix {
		return map[Class]netip.Prefix{None: netip.MustParsePrefix(none), Mail: netip.MustParsePrefix("10.1.0.0/24"), Web: netip.MustParsePrefix(web)}
	}
	for says, spoil := range map[string]func(c *Config){
		"":                        func(*Config) {},
		"at most 9":               func(c *Config) { c.Prefix = "framaframa" },
		"no subnet for web":       func(c *Config) { c.Subnets = subnets("10.0.0.0/24", "10.2.0.0/24"); delete(c.Subnets, Web) },
		"overlaps":                func(c *Config) { c.Subnets = subnets("10.0.0.0/16", "10.0.1.0/24") },
		"/28 or larger":           func(c *Config) { c.Subnets = subnets("10.0.0.0/30", "10.2.0.0/24") },
		"neither an address nor":  func(c *Config) { c.Ingress = []string{"ingress.example.org"} },
		"is not host:port":        func(c *Config) { c.Endpoints = []string{"10.0.0.5"} },
		`"10.0.0.5:5432/icmp"`:    func(c *Config) { c.Endpoints = []string{"10.0.0.5:5432/icmp"} },
		`ports ""`:                func(c *Config) { c.Ports = "" },
		"range of ports, as":      func(c *Config) { c.PublicUDP = "9-1" },
		`"10.0.0.0/24 } }; drop"`: func(c *Config) { c.Deny = []string{"10.0.0.0/24 } }; drop"} },
	} {
		c := good()
		spoil(&c)
		err := c.Check()
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}

func TestHalvesAreTheWholeSubnet(t *testing.T) {
	for _, text := range []string{"172.31.240.0/22", "10.0.0.0/28", "10.128.0.0/9", "10.0.0.128/25"} {
		p := netip.MustParsePrefix(text)
		docker, cni := halves(p)
		if docker.Overlaps(cni) || docker.Addr() != p.Addr() || !p.Contains(cni.Addr()) || cni != cni.Masked() || docker.Bits() != p.Bits()+1 || cni.Bits() != p.Bits()+1 {
			t.Errorf("%s: %s and %s", p, docker, cni)
		}
	}
}

func TestRulesAreWritten(t *testing.T) {
	c := good()
	c.PublicUDP = "30000-32000"
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	k, err := NewKeeper(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.config.rules(k.resolve(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"set ingress4 { type ipv4_addr; flags interval; auto-merge; elements = { 192.0.2.10/32 } }",
		"elements = { 2001:db8:1::/64 }",
		"elements = { 10.0.0.5 . tcp . 5432, 10.0.0.6 . udp . 53, 10.0.0.7 . tcp . 53, 10.0.0.7 . udp . 53 }",
		"elements = { 2001:db8::5 . tcp . 587 }",
		"198.51.100.0/24", "ct original proto-dst 30000-32000 accept", "th dport 10000-19999 jump published",
		`iifname { "frama-web0", "frama-web1" } tcp dport != 25 accept`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	// The ingress is closed to instances, but for what is declared.
	if closed := text[strings.Index(text, "set closed4"):strings.Index(text, "set closed6")]; !strings.Contains(closed, "192.0.2.10/32") {
		t.Error(closed)
	}
	// Without anything declared it still parses: empty lists would not.
	empty, err := (Config{Prefix: "x", Ports: "1-2", Subnets: DefaultSubnets()}).rules(addresses{})
	if err != nil || strings.Contains(empty, "{  }") || strings.Contains(empty, "elements = { }") || strings.Contains(empty, "proto-dst") {
		t.Errorf("%v\n%s", err, empty)
	}
}

func TestNamesKeepTheAddressesTheyHad(t *testing.T) {
	c := good()
	c.Endpoints = []string{"nowhere.invalid:5432"}
	k, err := NewKeeper(c, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if a := k.resolve(t.Context()); len(a.endpoints) != 2 { // the resolver's two
		t.Error(a.endpoints)
	}
	k.known["nowhere.invalid"] = []netip.Addr{netip.MustParseAddr("10.0.0.9")}
	if a := k.resolve(t.Context()); !slices.Contains(a.endpoints, endpoint{netip.MustParseAddr("10.0.0.9"), "tcp", 5432}) {
		t.Error(a.endpoints)
	}
}

func TestResolversOfTheNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	behind := filepath.Join(t.TempDir(), "behind")
	if err := os.WriteFile(behind, []byte("nameserver 192.0.2.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{
		"# x\nsearch example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\nnameserver 2001:db8::53\n": {"192.0.2.53", "2001:db8::53"},
		"nameserver 127.0.0.1\n":                 {},
		"nameserver 127.0.0.53\noptions edns0\n": {"192.0.2.7"}, // systemd-resolved
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := nodeResolvers(path, behind); !slices.Equal(got, want) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestANetworkThatIsOtherwiseIsNamed(t *testing.T) {
	c := good()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	want := c.wantedNetwork(Web)
	if problem := want.differs(want); problem != "" {
		t.Error(problem)
	}
	for says, spoil := range map[string]func(n *dockerNetwork){
		"reach one another": func(n *dockerNetwork) { n.Options = map[string]string{optionName: "frama-web0"} },
		"has IPv6":          func(n *dockerNetwork) { n.EnableIPv6 = true },
		`bridge "br0"`:      func(n *dockerNetwork) { n.Options = map[string]string{optionName: "br0", optionICC: "false"} },
		"driver macvlan":    func(n *dockerNetwork) { n.Driver = "macvlan" },
		"not 172.31.248.0":  func(n *dockerNetwork) { n.IPAM.Config = []dockerSubnet{{"10.0.0.0/8"}} },
	} {
		got := c.wantedNetwork(Web)
		spoil(&got)
		if problem := want.differs(got); !strings.Contains(problem, says) {
			t.Errorf("want %q, got %q", says, problem)
		}
	}
}

func testLog(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
