// Package nomadjobs holds the Nomad jobs that frama needs on a cluster, so that development and tests run the very same.
package nomadjobs

import _ "embed"

// Volumes is the system job of the volume plugin.
//
//go:embed frama-volumes.nomad.hcl
var Volumes string
