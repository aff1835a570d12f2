package main

import (
	"context"
	"crypto/rand"
	"strings"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/hosting"
)

// setupRequests makes the requests of a manifest's setup and opening to a fresh instance, at its own address.
func (a *app) setupRequests(cluster provisioner.Cluster) func(context.Context, hosting.Instance, []catalogue.Request) error {
	return func(ctx context.Context, i hosting.Instance, requests []catalogue.Request) error {
		e, err := a.talk(ctx, cluster, i)
		if err != nil {
			return err
		}
		// A new name for each attempt: leftovers of a failed one cannot collide with it.
		e.Values["object"] = "frama" + strings.ToLower(rand.Text()[:10])
		return e.Run(ctx, requests)
	}
}
