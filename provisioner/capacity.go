package provisioner

import (
	"context"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// capacityPause is how often the cluster is looked at.
const capacityPause = time.Minute

// Capacity returns what the nodes that can run applications have, and what is held there now.
func (p *Provisioner) Capacity(ctx context.Context) (hosting.Capacity, error) {
	nodes, err := p.nodes(ctx)
	if err != nil {
		return hosting.Capacity{}, err
	}
	nodes = p.useful(nodes)
	c := hosting.Capacity{Cluster: p.Options.ClusterName, Nodes: len(nodes), SeenAt: p.Now()}
	for _, n := range nodes {
		c.Allocatable = c.Allocatable.Plus(n.Total)
		c.Foreign = c.Foreign.Plus(n.foreign)
		for _, h := range n.Held {
			c.Used = c.Used.Plus(h.Resources)
		}
	}
	return c, nil
}

// WatchCapacity looks at the cluster every minute until ctx ends, and hands what it sees to seen. While the cluster does
// not answer, what was seen last stays.
func (p *Provisioner) WatchCapacity(ctx context.Context, seen func(context.Context, hosting.Capacity) error) error {
	for ctx.Err() == nil {
		c, err := p.Capacity(ctx)
		if err == nil {
			err = seen(ctx, c)
		}
		if err != nil && ctx.Err() == nil {
			p.Log.Warn("the capacity of the cluster could not be noted", "error", err)
		}
		pause(ctx, capacityPause)
	}
	return nil
}
