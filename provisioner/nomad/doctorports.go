package nomad

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// isHere reports whether one of the nodes is this machine, whose kernel can be asked.
func isHere(nodes []*api.NodeListStub) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addresses {
		network, ok := a.(*net.IPNet)
		for _, s := range nodes {
			if ok && network.IP.Equal(net.ParseIP(s.Address)) {
				return true
			}
		}
	}
	return false
}

// checkKernelPorts: the kernel takes ports of its own range for outgoing connections, and an instance that starts
// meanwhile finds its port in use. dir is /proc/sys/net/ipv4.
func checkKernelPorts(dir string, n Needs) Check {
	check := Check{Name: "ports of the kernel", OK: true}
	text, err := os.ReadFile(filepath.Join(dir, "ip_local_port_range"))
	var low, high int
	if _, scan := fmt.Sscan(string(text), &low, &high); err != nil || scan != nil {
		check.Detail = "the kernel does not tell which it takes for outgoing connections"
		return check
	}
	reserved, _ := os.ReadFile(filepath.Join(dir, "ip_local_reserved_ports"))
	kept := map[int]bool{}
	for _, p := range hostPorts(strings.TrimSpace(string(reserved))) {
		kept[p] = true
	}
	shared := 0
	for p := max(low, n.PortMin); p <= min(high, n.PortMax); p++ {
		if !kept[p] {
			shared++
		}
	}
	check.Detail = fmt.Sprintf("this machine takes %d to %d for outgoing connections", low, high)
	if check.OK = shared == 0; !check.OK {
		check.Detail += fmt.Sprintf(", and %d of them are for instances (%d to %d)", shared, n.PortMin, n.PortMax)
		check.Mend = fmt.Sprintf("sysctl -w net.ipv4.ip_local_reserved_ports=%d-%d on every node, and in /etc/sysctl.d; or move ports.min and ports.max", n.PortMin, n.PortMax)
	}
	return check
}
