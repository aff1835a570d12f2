package isolation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// adminChain of iptables lets traffic for instances in CNI's networks past Docker, which drops all that it does not know. frama's
// own table has refused by then what must not pass.
func (c Config) adminChain() string { return strings.ToUpper(c.Prefix) + "-ADMIN" }

// conflist is the CNI configuration of a class: a bridge of its own, addresses from the upper half of the subnet, and published
// ports. Nomad knows it as cni/frama-web. snat is for what comes from the node's loopback only; the ingress is seen as it is.
func (c Config) conflist(class Class) ([]byte, error) {
	_, subnet := halves(c.Subnets[class])
	return json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       Network(c.Prefix, class),
		"plugins": []map[string]any{
			{"type": "loopback"},
			{
				"type": "bridge", "bridge": c.cniBridge(class), "isGateway": true, "ipMasq": true, "forceAddress": true, "hairpinMode": false,
				"ipam": map[string]any{
					"type": "host-local", "ranges": [][]map[string]string{{{"subnet": subnet.String()}}},
					"routes": []map[string]string{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "firewall", "backend": "iptables", "iptablesAdminChainName": c.adminChain()},
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}, "snat": true},
		},
	}, "", "  ")
}

// cni writes the configurations and the chain that lets published ports through.
func (k *Keeper) cni(ctx context.Context) error {
	c := k.config
	if c.CNI == "" {
		return nil
	}
	if err := os.MkdirAll(c.CNI, 0o755); err != nil {
		return fmt.Errorf("isolation: %w", err)
	}
	for _, class := range Classes() {
		want, err := c.conflist(class)
		if err != nil {
			return err
		}
		path := filepath.Join(c.CNI, Network(c.Prefix, class)+".conflist")
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, want) {
			continue
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("isolation: %w", err)
		}
		if err := os.WriteFile(path+".new", want, 0o644); err != nil {
			return fmt.Errorf("isolation: %w", err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("isolation: %w", err)
		}
		k.log.Warn("wrote a network for CNI: reload Nomad's client (SIGHUP), which reads them when it starts", "file", path)
	}
	chain := c.adminChain()
	if iptables(ctx, "-n", "-L", chain) != nil {
		if err := iptables(ctx, "-N", chain); err != nil {
			return err
		}
	}
	for _, class := range Classes() {
		rule := []string{chain, "-o", c.cniBridge(class), "-j", "ACCEPT"}
		if iptables(ctx, append([]string{"-C"}, rule...)...) == nil {
			continue
		}
		if err := iptables(ctx, append([]string{"-A"}, rule...)...); err != nil {
			return err
		}
		k.log.Info("let published ports of a CNI network through", "bridge", c.cniBridge(class))
	}
	return nil
}

// removeCNI takes away what cni made, and the bridges that the plugins made of it.
func (k *Keeper) removeCNI(ctx context.Context) error {
	c := k.config
	if c.CNI == "" {
		return nil
	}
	for _, class := range Classes() {
		if err := os.Remove(filepath.Join(c.CNI, Network(c.Prefix, class)+".conflist")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("isolation: %w", err)
		}
		if bridge := c.cniBridge(class); exists("/sys/class/net/" + bridge) {
			if out, err := exec.CommandContext(ctx, program("ip"), "link", "delete", bridge).CombinedOutput(); err != nil {
				return fmt.Errorf("isolation: ip link delete %s: %w: %s", bridge, err, bytes.TrimSpace(out))
			}
		}
	}
	chain := c.adminChain()
	if iptables(ctx, "-n", "-L", chain) != nil {
		return nil
	}
	// The firewall plugin leads there, once something ran.
	_ = iptables(ctx, "-D", "CNI-FORWARD", "-m", "comment", "--comment", "CNI firewall plugin admin overrides", "-j", chain)
	if err := iptables(ctx, "-F", chain); err != nil {
		return err
	}
	return iptables(ctx, "-X", chain)
}

func iptables(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, program("iptables"), append([]string{"-w"}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("isolation: iptables %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
