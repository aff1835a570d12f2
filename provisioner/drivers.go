package provisioner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Runs reports whether all these drivers are healthy on the node. A cluster that tells nothing of drivers runs all.
func (n Node) Runs(drivers []string) bool {
	return n.Drivers == nil || !slices.ContainsFunc(drivers, func(d string) bool { return !slices.Contains(n.Drivers, d) })
}

// driversOf lists the task drivers that the jobs of instances need.
func (p *Provisioner) driversOf(instances []hosting.Instance) ([]string, error) {
	var drivers []string
	for _, i := range instances {
		app, err := p.app(i)
		if err != nil {
			return nil, err
		}
		needs, err := app.JobNeeds()
		if err != nil {
			return nil, &RefusedError{Err: err}
		}
		drivers = append(drivers, needs.Drivers...)
	}
	slices.Sort(drivers)
	return slices.Compact(drivers), nil
}

// running keeps the nodes where all drivers are healthy. Without any, the error names each node and what it runs.
func running(nodes []seenNode, drivers []string) ([]seenNode, error) {
	var fit []seenNode
	var others []string
	for _, n := range nodes {
		if n.Runs(drivers) {
			fit = append(fit, n)
			continue
		}
		others = append(others, fmt.Sprintf("%s (%s)", n.Name, strings.Join(n.Drivers, ", ")))
	}
	if len(fit) == 0 && len(others) > 0 {
		return nil, &TemporaryError{After: 10 * time.Second, Reason: fmt.Sprintf(
			"no node runs %s; healthy drivers are: %s. Start the engine there (nomad node status -verbose says what is wrong)",
			strings.Join(drivers, " and "), strings.Join(others, ", "))}
	}
	return fit, nil
}

// useful keeps the nodes that can run at least one application of the catalogue: the others have no capacity to give.
func (p *Provisioner) useful(nodes []seenNode) []seenNode {
	var wanted [][]string
	for _, app := range p.Catalogue.Apps() {
		if needs, err := app.JobNeeds(); err == nil && len(needs.Drivers) > 0 {
			wanted = append(wanted, needs.Drivers)
		}
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n seenNode) bool { return !slices.ContainsFunc(wanted, n.Runs) })
}
