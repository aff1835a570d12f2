package catalogue

import "cmp"

// Egresses lists what an application's containers may reach beside what the host declares for all (backing servers, relay,
// ingress): nothing, mail servers of the internet, or all public addresses. Each is a network of its own on the nodes
// (provisioner/isolation).
func Egresses() []string { return []string{"none", "mail", "web"} }

// CapabilityNames lists the rights of root that an application may keep within its container. They reach files and processes of
// the container and ports below 1024 there: no devices, raw packets or mounts.
func CapabilityNames() []string {
	return []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"}
}

func (a *App) readIsolation(r *reader) {
	a.Egress = cmp.Or(r.optional("egress", oneOf(Egresses()...)), Egresses()[0])
	a.Capabilities = r.list("capabilities", oneOf(CapabilityNames()...))
}
