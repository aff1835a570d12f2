package provisioner

import (
	"context"
	"fmt"

	"framagit.org/frama/frama/services/store"
)

// SnapshotVersion is the version of the newest snapshot; asking is cheap.
func (p *Provisioner) SnapshotVersion(ctx context.Context) (version int64, err error) {
	err = p.Store.Read(ctx, func(tx *store.Tx) error {
		version, err = tx.EdgeVersion()
		return err
	})
	return version, err
}

// Snapshot gathers what the ingress nodes need, all of one instant.
func (p *Provisioner) Snapshot(ctx context.Context) (Snapshot, error) {
	thumbprint, err := p.Issuer.Thumbprint(ctx)
	if err != nil {
		return Snapshot{}, fmt.Errorf("thumbprint of the ACME account: %w", err)
	}
	snap := Snapshot{Platform: p.Options.Platform, Thumbprint: thumbprint}
	err = p.Store.Read(ctx, func(tx *store.Tx) error {
		snap.MadeAt = tx.Now
		if snap.Version, err = tx.EdgeVersion(); err != nil {
			return err
		}
		routes, err := tx.EdgeRoutes()
		if err != nil {
			return err
		}
		for _, r := range routes {
			snap.Routes = append(snap.Routes, Route{
				Host: r.Host, Address: r.Address, State: RouteActive, ReadOnly: r.ReadOnly, Writes: p.writes(r),
			})
		}
		certs, err := tx.EdgeCertificates()
		for _, c := range certs {
			snap.Certificates = append(snap.Certificates, EdgeCertificate{
				ID: c.ID, Hosts: []string{c.Host}, ChainPEM: c.ChainPEM, KeyPEM: c.KeyPEM,
			})
		}
		return err
	})
	return snap, err
}

// writes are the paths that can be written to while an instance is for reading only.
func (p *Provisioner) writes(r store.EdgeRoute) []string {
	if !r.ReadOnly {
		return nil
	}
	app, _ := p.Catalogue.App(r.App)
	return app.Run().Enforce.Writes
}

// EdgeReported notes what an ingress agent says it serves.
func (p *Provisioner) EdgeReported(ctx context.Context, agent string, version int64, problem string) error {
	return p.Store.Write(ctx, func(tx *store.Tx) error { return tx.SawEdge(agent, version, problem) })
}
