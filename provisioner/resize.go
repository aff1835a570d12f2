package provisioner

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// resizing is the run that gives a space's instances the sizes of another plan. The store has promised them already; what
// is left is to wait for room on the very node that holds the data, and to make volumes and jobs so. The applications go on
// meanwhile, and restart once with their new size.
func (p *Provisioner) resizing() work.Definition {
	do := map[string]work.Func{"room": p.roomToGrow, "secrets": p.renewSecrets, "volumes": p.volumes, "jobs": p.jobs, "healthy": p.healthy}
	def := work.Definition{Kind: control.RunResize, Version: control.RunResizeVersion}
	for _, name := range control.ResizeSteps() {
		def.Steps = append(def.Steps, work.Named{Name: name, Do: p.patiently(do[name])})
	}
	return def
}

// renewSecrets puts into the jobs' variables what a newer frama or catalogue gives them beside what they have: the job that is
// registered next may read it.
func (p *Provisioner) renewSecrets(ctx context.Context, run work.Run) (any, error) {
	if _, err := p.secrets(ctx, run); err != nil {
		return nil, err
	}
	return p.backing(ctx, run)
}

// roomToGrow waits until the space's node has what its instances were promised. The cluster had room when the plan was
// changed, but perhaps on another node, and data does not move by itself.
func (p *Provisioner) roomToGrow(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	nodes, err := p.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var reserved map[string]hosting.Resources
	err = p.Store.Read(ctx, func(tx *store.Tx) error {
		reserved, err = tx.ReservedOn(p.Options.ClusterName)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, i := range s.instances {
		at := slices.IndexFunc(nodes, func(n seenNode) bool { return n.ID == i.Node })
		if at < 0 {
			return nil, nodeAway(i.Node)
		}
		if missing := p.missing(nodes[at], i, reserved[i.Node]); missing != "" {
			return nil, work.Later(30*time.Second, fmt.Sprintf("node %s, which holds the data of %s, has no room for it to grow: %s is missing. "+
				"Free some of it, or choose a smaller plan", nodes[at].Name, i.Kind, missing))
		}
	}
	return nil, nil
}

// missing says what an instance that grows has too little of on its node, or "".
func (p *Provisioner) missing(n seenNode, i hosting.Instance, reserved hosting.Resources) string {
	free, wanted := p.free(n, reserved), p.asked(i.Reserved)
	var held hosting.Resources
	for _, h := range n.Held {
		if h.Job == i.Job {
			held = held.Plus(h.Resources)
		}
	}
	var short []string
	if free.CPU < 0 && wanted.CPU > held.CPU {
		short = append(short, fmt.Sprintf("%d MHz of CPU", -free.CPU))
	}
	if free.Memory < 0 && wanted.Memory > held.Memory {
		short = append(short, fmt.Sprintf("%d MiB of memory", -free.Memory))
	}
	if free.Disk < 0 && i.Reserved.Disk > i.Growth.VolumeMiB {
		short = append(short, fmt.Sprintf("%d MiB of disk", -free.Disk))
	}
	return strings.Join(short, ", ")
}

// asked is what a job asks the cluster for: with overcommit, less than what its instance was promised, so that as many jobs
// find room as were promised it. Memory may still grow to all of it.
func (p *Provisioner) asked(r hosting.Resources) hosting.Resources {
	o := p.Options.Overcommit
	if o.Memory > 1 {
		r.MemoryMax = r.Limit()
	}
	r.CPU = int(math.Ceil(float64(r.CPU) / max(o.CPU, 1)))
	r.Memory = int(math.Ceil(float64(r.Memory) / max(o.Memory, 1)))
	return r
}
