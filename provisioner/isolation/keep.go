package isolation

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Keeper makes networks and rules, and mends what others change.
type Keeper struct {
	config Config
	log    *slog.Logger
	// What names stood for when they were last resolved: a resolver that is down closes nothing.
	known map[string][]netip.Addr
	// The text of the rules as they were written, and the tables as nft lists them since.
	written, listed string
}

// NewKeeper checks the configuration.
func NewKeeper(c Config, log *slog.Logger) (*Keeper, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	return &Keeper{config: c, log: log, known: map[string][]netip.Addr{}}, nil
}

// Run makes and mends networks and rules at intervals until the context ends. It leaves them in place: instances stay closed off.
func (k *Keeper) Run(ctx context.Context, every time.Duration) error {
	if err := k.Once(ctx); err != nil {
		k.log.Error("the node is not closed", "err", err) // Docker may come later
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := k.Once(ctx); err != nil && ctx.Err() == nil {
				k.log.Error("the node is not closed", "err", err)
			}
		}
	}
}

// Once makes what is missing or was changed. Rules come before networks: no bridge is ever open.
func (k *Keeper) Once(ctx context.Context) error {
	if err := k.rules(ctx); err != nil {
		return err
	}
	made, err := k.config.Networks(ctx)
	for _, name := range made {
		k.log.Warn("made a network", "network", name)
	}
	if err != nil {
		return err
	}
	return k.cni(ctx)
}

// Remove takes networks and rules away.
func (k *Keeper) Remove(ctx context.Context) error {
	if err := k.config.RemoveNetworks(ctx); err != nil {
		return err
	}
	if err := k.removeCNI(ctx); err != nil {
		return err
	}
	k.written, k.listed = "", ""
	_, err := nft(ctx, fmt.Sprintf("table inet %[1]s\ndelete table inet %[1]s\ntable bridge %[1]s\ndelete table bridge %[1]s\n", k.config.Prefix), "-f", "-")
	return err
}

// rules writes the tables where they are not as they were written.
func (k *Keeper) rules(ctx context.Context) error {
	text, err := k.config.rules(k.resolve(ctx))
	if err != nil {
		return err
	}
	listed, err := k.list(ctx)
	switch {
	case text == k.written && listed == k.listed && err == nil:
		return nil
	case k.written == "":
		k.log.Info("write the rules of the firewall", "table", k.config.Prefix)
	case text != k.written:
		k.log.Info("addresses changed: write the rules anew", "table", k.config.Prefix)
	default:
		k.log.Warn("somebody changed or removed the rules: write them anew", "table", k.config.Prefix)
	}
	if _, err := nft(ctx, text, "-f", "-"); err != nil {
		return err
	}
	if k.listed, err = k.list(ctx); err != nil {
		return err
	}
	k.written = text
	return nil
}

// list returns the tables without counters.
func (k *Keeper) list(ctx context.Context) (string, error) {
	var all strings.Builder
	for _, family := range []string{"inet", "bridge"} {
		text, err := nft(ctx, "", "--stateless", "list", "table", family, k.config.Prefix)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// nft runs the program of that name (package nftables).
func nft(ctx context.Context, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program("nft"), args...)
	cmd.Stdin = strings.NewReader(input)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("isolation: nft %s (package nftables, as root): %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errors.String()))
	}
	return string(out), nil
}

// program finds one where the PATH of a job or service may not reach.
func program(name string) string {
	if path := "/usr/sbin/" + name; exists(path) {
		return path
	}
	return name
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// resolve turns the configuration into addresses. Check has seen that all can be read.
func (k *Keeper) resolve(ctx context.Context) addresses {
	a := addresses{ingress: prefixes(k.config.Ingress), deny: prefixes(k.config.Deny)}
	for _, s := range k.config.Endpoints {
		host, protocol, port, _ := splitEndpoint(s)
		for _, ip := range k.lookup(ctx, host) {
			a.endpoints = append(a.endpoints, endpoint{ip, protocol, port})
		}
	}
	resolvers := k.config.DNS
	if len(resolvers) == 0 {
		resolvers = nodeResolvers("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
	}
	for _, s := range resolvers {
		p, err := network(s)
		if err != nil {
			continue
		}
		for _, protocol := range []string{"udp", "tcp"} {
			a.endpoints = append(a.endpoints, endpoint{p.Addr(), protocol, 53})
		}
	}
	return a
}

// lookup resolves a name. What cannot be resolved now keeps the addresses that it had.
func (k *Keeper) lookup(ctx context.Context, host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		k.log.Warn("an endpoint cannot be resolved", "host", host, "known", len(k.known[host]), "err", err)
		return k.known[host]
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	k.known[host] = found
	return found
}

// nodeResolvers are those that Docker hands to containers: of resolv.conf, but for the node's own loopback, which Docker asks
// itself. Where systemd-resolved is all there is in it, Docker takes those of its file, behind, instead.
func nodeResolvers(path, behind string) []string {
	all := nameservers(path)
	if slices.Equal(all, []string{"127.0.0.53"}) {
		all = nameservers(behind)
	}
	return slices.DeleteFunc(all, func(s string) bool { return netip.MustParseAddr(s).IsLoopback() })
}

func nameservers(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(fields[1]); err == nil {
			all = append(all, ip.String())
		}
	}
	return all
}
