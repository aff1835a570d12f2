package backing

import "net"

// mostAuthority is how large an authority may be that is handed to instances, in bytes: a Nomad Variable holds 64 KiB, and
// ca_file may name all the authorities of the machine.
const mostAuthority = 16 << 10

// encryption returns the keys of the job's variable by which an application connects as safely as frama does, in the words
// of libpq: disable, require (encrypted, the server's certificate is not looked at), verify-ca or verify-full.
func (s server) encryption() map[string]string {
	keys := map[string]string{"db_sslmode": "disable", "db_ca": ""}
	switch address, _, _ := net.SplitHostPort(s.Address); {
	case s.tls == nil:
	case s.authority == "":
		keys["db_sslmode"] = "require" // which authorities a container knows is its own affair
	case address == s.host:
		keys["db_sslmode"], keys["db_ca"] = "verify-full", s.authority
	default:
		keys["db_sslmode"], keys["db_ca"] = "verify-ca", s.authority // the certificate is for the name that frama knows
	}
	return keys
}
