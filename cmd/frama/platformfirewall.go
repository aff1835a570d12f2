package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/provisioner/isolation"
)

// pauseImage is what Nomad runs to hold a network that tasks share.
const pauseImage = "gcr.io/google_containers/pause-amd64"

// startFirewall makes the networks of the platform's instances, under names of its own: several platforms share one engine. The
// rules follow when it is known what is declared.
func (p *platform) startFirewall(ctx context.Context) error {
	if p.engine == nil {
		return nil
	}
	data, err := filepath.Abs(p.options.data)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(data))
	p.firewall = isolation.Config{
		Prefix: "fd" + hex.EncodeToString(sum[:3]), Docker: p.engine.Socket, CNI: filepath.Join(data, "cni"), Ports: "1-1",
	}
	if p.firewall.Subnets, err = freeSubnets(int(sum[3]) % 128); err != nil {
		return err
	}
	if err := p.removeFirewall(ctx); err != nil { // of a platform that was killed
		return fmt.Errorf("networks of an earlier start: %w", err)
	}
	keeper, err := isolation.NewKeeper(p.firewall, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return keeper.Once(ctx)
}

// freeSubnets finds addresses that nothing on this machine uses, in a range that is for trials (RFC 2544), from the slot on.
func freeSubnets(slot int) (map[isolation.Class]netip.Prefix, error) {
	used, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this machine: %w", err)
	}
	for n := range 128 {
		at := 4 * ((slot + n) % 128)
		whole := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + at/256), byte(at % 256), 0}), 22)
		free := true
		for _, a := range used {
			if ip, ok := a.(*net.IPNet); ok {
				address, _ := netip.AddrFromSlice(ip.IP)
				free = free && !whole.Contains(address.Unmap())
			}
		}
		if !free {
			continue
		}
		subnets := map[isolation.Class]netip.Prefix{}
		for i, class := range isolation.Classes() {
			subnets[class] = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + at/256), byte(at%256 + i), 0}), 24)
		}
		return subnets, nil
	}
	return nil, fmt.Errorf("no addresses are left in 198.18.0.0/15 for instances: stop another platform")
}

// firewallConfig tells frama the names.
func (p *platform) firewallConfig() string {
	if p.engine == nil {
		return ""
	}
	f := p.firewall
	return tomlTable("firewall", "prefix", f.Prefix, "docker", f.Docker, "cni", f.CNI, "none", f.Subnets[isolation.None].String(),
		"mail", f.Subnets[isolation.Mail].String(), "web", f.Subnets[isolation.Web].String())
}

// ingress are the addresses that requests of this platform's ingress come from: it reaches plain processes from loopback, and
// containers by way of the bridge of their network, whose address stands in its place. Docker's bridge has the first address of a
// subnet, and that of CNI the first of its upper half.
func (p *platform) ingress() []string {
	list := []string{"127.0.0.1"}
	for _, class := range isolation.Classes() {
		subnet, ok := p.firewall.Subnets[class]
		if !ok {
			continue
		}
		upper := subnet.Addr().As4()
		upper[3-(31-subnet.Bits())/8] |= 1 << ((31 - subnet.Bits()) % 8)
		list = append(list, subnet.Addr().Next().String(), netip.AddrFrom4(upper).Next().String())
	}
	return list
}

// keepFirewall keeps the rules while frama runs, for what its configuration declares.
func (p *platform) keepFirewall(ctx context.Context, conf config, log *slog.Logger) error {
	if p.engine == nil {
		return nil
	}
	f, err := conf.firewall()
	if err != nil {
		return err
	}
	keeper, err := isolation.NewKeeper(f, log)
	if err != nil {
		return err
	}
	return keeper.Run(ctx, 10*time.Second)
}

// removeFirewall takes networks and rules away.
func (p *platform) removeFirewall(ctx context.Context) error {
	if p.firewall.Prefix == "" {
		return nil
	}
	keeper, err := isolation.NewKeeper(p.firewall, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return keeper.Remove(ctx)
}

// infraImage is what holds networks that tasks share: built here, or Nomad's own choice.
func infraImage(built []dev.BuiltImage) string {
	for _, b := range built {
		if b.StandsFor == pauseImage {
			return b.Name
		}
	}
	return ""
}
