package main

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"framagit.org/frama/frama/provisioner/isolation"
)

func TestAddressesOfTheIngress(t *testing.T) {
	good := []string{"192.0.2.10", "2001:db8::10", "198.51.100.0/28", "2001:db8:1::/64", "127.0.0.0/8"}
	c, err := configured(t, "[edge]\naddresses = [\""+strings.Join(good, "\", \"")+"\"]\n", nil, nil)
	if err != nil || !reflect.DeepEqual(c.Edge.Addresses, good) {
		t.Errorf("%q (%v)", c.Edge.Addresses, err)
	}
	c, err = configured(t, "", []string{"FRAMA_EDGE_ADDRESSES=192.0.2.10,198.51.100.0/28"}, nil)
	if err != nil || !reflect.DeepEqual(c.Edge.Addresses, []string{"192.0.2.10", "198.51.100.0/28"}) {
		t.Errorf("%q (%v)", c.Edge.Addresses, err)
	}
	for text, says := range map[string]string{
		"edge1.example.org": "neither an IP address nor a range", "": "neither an IP", "192.0.2.300": "neither", "192.0.2.1:443": "neither", "*": "neither",
		"0.0.0.0/0": "every address", "::/0": "every address", "192.0.2.10/24": "write 192.0.2.0/24", "fe80::1%eth0": "no address that a node can have",
		"0.0.0.0": "no address", "::ffff:192.0.2.1": "no address", "224.0.0.1": "no address", "192.0.2.10 ${x}": "neither",
	} {
		_, err := configured(t, fmt.Sprintf("[edge]\naddresses = [\"192.0.2.9\", %q]\n", text), nil, nil)
		if err == nil || !strings.Contains(err.Error(), "edge.addresses: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := configured(t, "[edge]\naddresses = [\"192.0.2.9\", \"192.0.2.9\"]\n", nil, nil); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
}

// The platform's own ingress is seen as the bridges of its networks.
func TestIngressOfThePlatform(t *testing.T) {
	p := &platform{}
	if got := p.ingress(); !reflect.DeepEqual(got, []string{"127.0.0.1"}) {
		t.Error(got)
	}
	p.firewall.Subnets = map[isolation.Class]netip.Prefix{isolation.Web: netip.MustParsePrefix("198.18.40.0/24"), isolation.Mail: netip.MustParsePrefix("172.31.244.0/22")}
	want := []string{"127.0.0.1", "172.31.244.1", "172.31.246.1", "198.18.40.1", "198.18.40.129"}
	if got := p.ingress(); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
