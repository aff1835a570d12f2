package hosting_test

import (
	"testing"

	"framagit.org/frama/frama/services/hosting"
)

func TestRequestMoves(t *testing.T) {
	legal := map[[2]hosting.RequestState]bool{
		{hosting.RequestUnconfirmed, hosting.RequestPending}: true,
		{hosting.RequestPending, hosting.RequestApproved}:    true,
		{hosting.RequestPending, hosting.RequestRefused}:     true,
		{hosting.RequestPending, hosting.RequestWaiting}:     true,
		{hosting.RequestWaiting, hosting.RequestApproved}:    true,
		{hosting.RequestWaiting, hosting.RequestRefused}:     true,
		{hosting.RequestApproved, hosting.RequestRefused}:    true, // its space was withdrawn
	}
	states := append(hosting.RequestStates(), "", "unknown")
	for _, from := range states {
		for _, to := range states {
			if got, want := from.CanBecome(to), legal[[2]hosting.RequestState{from, to}]; got != want {
				t.Errorf("a request may go from %q to %q: %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestSpaceMoves(t *testing.T) {
	legal := map[[2]hosting.SpaceState]bool{
		{hosting.SpaceApproved, hosting.SpaceProvisioning}: true,
		{hosting.SpaceProvisioning, hosting.SpaceActive}:   true,
		{hosting.SpaceProvisioning, hosting.SpaceFailed}:   true,
		{hosting.SpaceFailed, hosting.SpaceProvisioning}:   true,
		{hosting.SpaceApproved, hosting.SpaceWithdrawn}:    true,
	}
	states := append(hosting.SpaceStates(), "", "unknown")
	for _, from := range states {
		for _, to := range states {
			if got, want := from.CanBecome(to), legal[[2]hosting.SpaceState{from, to}]; got != want {
				t.Errorf("a space may go from %q to %q: %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestRolesIncludeThePowersBelow(t *testing.T) {
	roles := hosting.Roles()
	for i, role := range roles {
		for j, least := range roles {
			if got, want := role.AtLeast(least), i >= j; got != want {
				t.Errorf("%s has at least the powers of %s: %v, want %v", role, least, got, want)
			}
		}
	}
	for _, stranger := range []hosting.Role{"", "root", "Admin"} {
		if stranger.AtLeast(hosting.RoleReviewer) {
			t.Errorf("role %q may review", stranger)
		}
		if hosting.RoleAdmin.AtLeast(stranger) {
			t.Errorf("a power that frama does not know (%q) is granted", stranger)
		}
	}
}
