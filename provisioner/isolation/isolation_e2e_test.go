//go:build e2e

package isolation

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFromInside breaks out of containers of one space towards those of another, the node and the network: what is open is
// declared, and nothing else.
func TestFromInside(t *testing.T) {
	w := newWorld(t)
	if err := w.keeper.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	world := w.place("world", "203.0.113.1/24", internet+"/24", "203.0.113.20/32", private+"/32", "10.214.7.11/32", metadata+"/32")
	front := w.place("front", nodeThere+"/24", ingress+"/24")
	w.serve(world, "internet", "tcp::80", "tcp::443", "tcp::25", "tcp::587", "tcp::993", "tcp::4646", "udp::443", "tcp::5432", "tcp::3306")
	// Stand for Nomad, frama and databases: all that listens on the node, on each of its addresses or on loopback.
	w.serve("", "node", "tcp::4600", "tcp::5433", "udp:"+nodeThere+":5353", "tcp:127.0.0.1:8699", "tcp::5434")
	w.serve(front, "ingress", "tcp::80")

	w.container("victim", Web, w.port, "/helper", "serve", "victim", "tcp::8080", "udp::8080")
	w.container("neighbour", None, w.port+1, "/helper", "serve", "neighbour", "tcp::8080")
	for _, class := range Classes() {
		w.container(string(class), class, 0, "sleep", "600")
	}
	victim, neighbour := w.containers["victim"], w.containers["neighbour"]
	until(t, "the instances answer on the node", func() bool {
		return tryHTTP(fmt.Sprintf("%s:%d", w.node, w.port)) != "" && tryHTTP(fmt.Sprintf("%s:%d", w.node, w.port+1)) != ""
	})

	// Every row of what was once open, from each class: name, addresses, and which classes reach them.
	published := func(address string) []string {
		return []string{fmt.Sprintf("tcp:%s", net.JoinHostPort(address, fmt.Sprint(w.port))), fmt.Sprintf("tcp:%s", net.JoinHostPort(address, fmt.Sprint(w.port+1)))}
	}
	var ports, listeners []string
	for _, a := range nodeAddresses(t) {
		ports = append(ports, published(a)...)
		listeners = append(listeners, "tcp:"+net.JoinHostPort(a, "4600"), "tcp:"+net.JoinHostPort(a, "8699"))
	}
	rows := []struct {
		name      string
		addresses []string
		open      []Class
	}{
		{"other instances by address", []string{"tcp:" + victim + ":8080", "udp:" + victim + ":8080", "tcp:" + neighbour + ":8080"}, nil},
		{"other instances by their ports on the node", ports, nil},
		{"Nomad, frama and all that listens on the node", listeners, nil},
		{"a database of the node that is not declared", []string{"tcp:" + nodeThere + ":5434"}, nil},
		{"a database of the node that is declared", []string{"tcp:" + nodeThere + ":5433", "udp:" + nodeThere + ":5353"}, Classes()},
		{"the same by another address of the node", []string{"tcp:203.0.113.1:5433"}, nil},
		{"a declared database in a private network", []string{"tcp:" + private + ":5432"}, Classes()},
		{"another port of that server", []string{"tcp:" + private + ":3306"}, nil},
		{"another server of that network", []string{"tcp:10.214.7.11:5432"}, nil},
		{"metadata of a cloud", []string{"tcp:" + metadata + ":80"}, nil},
		{"pages of the internet", []string{"tcp:" + internet + ":80", "tcp:" + internet + ":443", "udp:" + internet + ":443"}, []Class{Web}},
		{"mail servers of the internet", []string{"tcp:" + internet + ":587", "tcp:" + internet + ":993"}, []Class{Mail, Web}},
		{"mail from server to server", []string{"tcp:" + internet + ":25"}, []Class{Mail}},
		{"the host's own machines", []string{"tcp:203.0.113.20:80", "tcp:203.0.113.20:4646"}, nil},
		{"the ingress node beyond its declared ports", []string{"tcp:" + ingress + ":80"}, nil},
	}
	check := func(t *testing.T) {
		for _, class := range Classes() {
			var all []string
			for _, r := range rows {
				all = append(all, r.addresses...)
			}
			found := w.from(string(class), all...)
			for _, r := range rows {
				t.Run(string(class)+"/"+r.name, func(t *testing.T) {
					for _, a := range r.addresses {
						if open := found[a] != ""; open != slices.Contains(r.open, class) {
							t.Errorf("%s open is %v: %q", a, open, found[a])
						}
					}
				})
			}
		}
	}
	check(t)

	t.Run("nobody but the ingress reaches an instance", func(t *testing.T) {
		address := fmt.Sprintf("tcp:%s:%d", w.node, w.port)
		// So no one else can say in X-Forwarded-For whose request it is.
		if got, want := w.fromPlace(front, address)[address], "victim saw "+ingress+" for "+forged; got != want {
			t.Errorf("from the ingress: %q, want %q", got, want)
		}
		w.run("ip", "-n", world, "route", "replace", victim, "via", "203.0.113.1")
		for a, answer := range w.fromPlace(world, address, fmt.Sprintf("udp:%s:%d", w.node, w.port), "tcp:"+victim+":8080") {
			if answer != "" {
				t.Errorf("from the internet %s: %q", a, answer)
			}
		}
	})

	t.Run("rights", func(t *testing.T) {
		found := answers(t, w.docker("exec", w.config.Prefix+"-web", "/helper", "rights"))
		for key, want := range map[string]string{
			"NoNewPrivs": "1", "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "Seccomp": "2",
			"raw socket": "operation not permitted", "packet socket": "operation not permitted", "mount": "operation not permitted",
			"unshare": "operation not permitted", "mknod": "operation not permitted", "setuid": "operation not permitted",
			"socket": "", "processes": "sleep 600",
		} {
			if found[key] != want {
				t.Errorf("%s: %q, want %q", key, found[key], want)
			}
		}
	})

	// The rules do it: without them the same tries succeed, and whoever removes them finds them back.
	t.Run("what is closed opens without the rules", func(t *testing.T) {
		if _, err := nft(t.Context(), "delete table inet "+w.config.Prefix, "-f", "-"); err != nil {
			t.Fatal(err)
		}
		// Between instances Docker itself closes the bridges, but for the ports on the node.
		tries := []string{"tcp:203.0.113.1:5433", fmt.Sprintf("tcp:%s:%d", w.node, w.port+1)}
		for _, r := range rows[3:] {
			tries = append(tries, r.addresses...)
		}
		for _, a := range nodeAddresses(t) {
			if !strings.Contains(a, ":") { // containers have no IPv6
				tries = append(tries, "tcp:"+a+":4600")
			}
		}
		opened := w.from("none", tries...)
		for _, a := range slices.Sorted(maps.Keys(opened)) {
			if opened[a] == "" {
				t.Errorf("%s is closed by something else", a)
			}
		}
	})
	t.Run("mended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = w.keeper.Run(ctx, 100*time.Millisecond) }()
		until(t, "the rules are back", func() bool {
			text, err := w.keeper.list(ctx)
			return err == nil && strings.Contains(text, "jump from_instance")
		})
		// One rule less counts as well.
		if _, err := nft(ctx, "flush chain inet "+w.config.Prefix+" to_node", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		until(t, "the chain is back", func() bool {
			text, err := w.keeper.list(ctx)
			return err == nil && strings.Contains(text, `comment "the node"`)
		})
		check(t)
	})
}
