// Package nomadacl holds the ACL policy of frama's token on a Nomad cluster, so that development and tests run under
// the very rules that production has.
package nomadacl

import _ "embed"

// Policy is frama.policy.hcl. It is written for the namespace frama.
//
//go:embed frama.policy.hcl
var Policy string
