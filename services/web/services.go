package web

import (
	"fmt"
	"slices"
	"strings"

	"framagit.org/frama/frama/services/control"
)

// service is a kind as the form, the catalogue and a request's page show it, with the application that stands for it.
type service struct {
	control.AppView
	Chosen bool
	Within []inclusion      // other services that bring it along
	Plan   control.PlanView // that was chosen; nothing where there is no choice
}

// inclusion says that a service comes with another one.
type inclusion struct {
	Kind   string // the other one
	Words  map[string]string
	Chosen bool
}

// newServices are the views with what was chosen of them, and the plan.
func newServices(views []control.AppView, chosen []string, plan control.PlanView) []service {
	services := make([]service, 0, len(views))
	for _, v := range views {
		s := service{AppView: v, Plan: plan, Chosen: slices.Contains(chosen, v.Kind)}
		for _, other := range views {
			if words, ok := other.Includes[v.Kind]; ok {
				s.Within = append(s.Within, inclusion{Kind: other.Kind, Words: words, Chosen: slices.Contains(chosen, other.Kind)})
			}
		}
		services = append(services, s)
	}
	return services
}

// IncludedKinds lists the kinds that come with the service, in one order.
func (s service) IncludedKinds() []string {
	var kinds []string
	for kind := range s.Includes {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// Disk says what the service takes in each plan, in MiB, as the script reads it: starter:1024 standard:5120.
func (s service) Disk() string {
	var plans []string
	for _, size := range s.Sizes {
		plans = append(plans, fmt.Sprintf("%s:%d", size.Plan, s.Counted(size.Plan)))
	}
	return strings.Join(plans, " ")
}

// room is what the chosen services take from the storage of a plan.
type room struct {
	Plan   control.PlanView
	Chosen int // services
	MiB    int
}

// planOf is the plan of that ID, or nothing when the host does not offer it.
func planOf(plans []control.PlanView, id string) control.PlanView {
	i := slices.IndexFunc(plans, func(p control.PlanView) bool { return p.ID == id })
	if i < 0 {
		return control.PlanView{}
	}
	return plans[i]
}

// newRoom adds up; without a plan that is on offer there is nothing to say.
func newRoom(services []service, plan control.PlanView) *room {
	if plan.ID == "" {
		return nil
	}
	r := &room{Plan: plan}
	for _, s := range services {
		if s.Chosen {
			r.Chosen++
			r.MiB += s.Counted(plan.ID)
		}
	}
	return r
}

// Over says whether the plan holds less than what was chosen. Nobody is kept from asking for it: a person reads the
// request and talks about it.
func (r room) Over() bool { return r.MiB > r.Plan.StorageMiB }
