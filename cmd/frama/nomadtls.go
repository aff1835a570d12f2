package main

import "framagit.org/frama/frama/provisioner/nomad"

// tls are the files for an agent behind https.
func (n nomadConfig) tls() nomad.TLS {
	return nomad.TLS{CAFile: n.CAFile, CertFile: n.CertFile, KeyFile: n.KeyFile, ServerName: n.ServerName}
}
