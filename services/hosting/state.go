package hosting

import "slices"

// RequestState is where a request stands.
type RequestState string

const (
	RequestUnconfirmed RequestState = "unconfirmed" // the mail address is not confirmed: hidden from reviewers
	RequestPending     RequestState = "pending"     // waits for a reviewer
	RequestWaiting     RequestState = "waiting"     // a reviewer said yes, and the cluster has no room yet
	RequestApproved    RequestState = "approved"
	RequestRefused     RequestState = "refused"
)

// requestMoves lists the legal transitions; all others are refused.
var requestMoves = map[RequestState][]RequestState{
	RequestUnconfirmed: {RequestPending},
	RequestPending:     {RequestApproved, RequestWaiting, RequestRefused},
	RequestWaiting:     {RequestApproved, RequestRefused},
	RequestApproved:    {RequestRefused}, // when its space is withdrawn
}

// CanBecome says whether a request may go from s to next.
func (s RequestState) CanBecome(next RequestState) bool {
	return slices.Contains(requestMoves[s], next)
}

// RequestStates lists every state in the order of a request's life.
func RequestStates() []RequestState {
	return []RequestState{RequestUnconfirmed, RequestPending, RequestWaiting, RequestApproved, RequestRefused}
}

// SpaceState is where a space stands.
type SpaceState string

const (
	SpaceApproved     SpaceState = "approved"     // waits for frama provision
	SpaceProvisioning SpaceState = "provisioning" // a run works on it
	SpaceActive       SpaceState = "active"
	SpaceFailed       SpaceState = "failed"    // a run is parked for a human
	SpaceWithdrawn    SpaceState = "withdrawn" // given back before it ever opened: nothing is reserved for it any more
)

var spaceMoves = map[SpaceState][]SpaceState{
	SpaceApproved:     {SpaceProvisioning, SpaceWithdrawn},
	SpaceProvisioning: {SpaceActive, SpaceFailed},
	SpaceFailed:       {SpaceProvisioning},
}

// CanBecome says whether a space may go from s to next.
func (s SpaceState) CanBecome(next SpaceState) bool { return slices.Contains(spaceMoves[s], next) }

// SpaceStates lists every state in the order of a space's life.
func SpaceStates() []SpaceState {
	return []SpaceState{SpaceApproved, SpaceProvisioning, SpaceActive, SpaceFailed, SpaceWithdrawn}
}

// Health is what the cluster last said of an instance.
type Health string

const (
	HealthUnknown   Health = "unknown"
	HealthPending   Health = "pending"
	HealthHealthy   Health = "healthy"
	HealthUnhealthy Health = "unhealthy"
)

// CertificateState is where a certificate stands.
type CertificateState string

const (
	CertificateWanted CertificateState = "wanted" // no certificate yet, or the last one expired
	CertificateValid  CertificateState = "valid"
)

// Role is what a member of the staff may do.
type Role string

const (
	RoleReviewer Role = "reviewer" // reads everything, decides on requests
	RoleOperator Role = "operator" // also runs and retries operations
	RoleAdmin    Role = "admin"    // also manages users
)

// Roles lists the roles, the least powerful first.
func Roles() []Role { return []Role{RoleReviewer, RoleOperator, RoleAdmin} }

// AtLeast says whether r includes the powers of least.
func (r Role) AtLeast(least Role) bool { return rank(r) >= rank(least) && rank(least) > 0 }

func rank(r Role) int {
	for i, known := range Roles() {
		if r == known {
			return i + 1
		}
	}
	return 0
}
