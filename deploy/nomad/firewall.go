package nomadjobs

import _ "embed"

// Firewall is the system job that keeps networks and rules of the firewall.
//
//go:embed frama-firewall.nomad.hcl
var Firewall string
