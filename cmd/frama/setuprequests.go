package main

import (
	"context"
	"net/http"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// setupRequests makes the requests of a manifest's setup to a fresh instance, at its own address.
func (a *app) setupRequests(cluster provisioner.Cluster) func(context.Context, hosting.Instance, []catalogue.Request) error {
	return func(ctx context.Context, i hosting.Instance, requests []catalogue.Request) error {
		secrets, err := cluster.Secrets(ctx, i.Job)
		if err != nil {
			return err
		}
		values := map[string]string{}
		err = a.store.Read(ctx, func(tx *store.Tx) error {
			space, err := tx.Space(i.SpaceID)
			values["email"] = space.Email
			return err
		})
		if err != nil {
			return err
		}
		if app, ok := a.catalogue.App(i.App); ok {
			for _, v := range app.Values {
				values[v.Name] = secrets[v.Name] // no secret: what the association typed
				delete(secrets, v.Name)
			}
		}
		e := &exchange.Exchange{
			Client: &http.Client{Transport: exchange.Direct(i.Address)}, URL: a.control.URL(i.Host), Values: values, Secrets: secrets,
		}
		return e.Run(ctx, requests)
	}
}
