package store

import (
	"fmt"
	"strconv"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// EdgeVersion is the version of what the edges must serve; it grows with each change of a route, of
// the state of a routed space, or of a certificate.
func (tx *Tx) EdgeVersion() (int64, error) {
	text, err := tx.Setting("edge_version")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (tx *Tx) bumpEdge() error {
	return tx.must(`UPDATE setting SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'edge_version'`)
}

// bumpEdgeOf tells the edges that a space changed, if they serve any of it.
func (tx *Tx) bumpEdgeOf(space string) error {
	routed, err := one(tx, value[int], `SELECT COUNT(*) FROM instance WHERE space_id = $1 AND routed = 1`, space)
	if err != nil || routed == 0 {
		return err
	}
	return tx.bumpEdge()
}

// Route makes the ingress send an instance's traffic to its address, and tells the edges if that is new.
func (tx *Tx) Route(instance, address string) error {
	n, err := tx.exec(`UPDATE instance SET routed = 1, address = $1 WHERE id = $2 AND (routed = 0 OR address <> $1)`,
		address, instance)
	if err != nil || n == 0 {
		return err
	}
	return tx.bumpEdge()
}

// EdgeRoute is a host that the ingress serves.
type EdgeRoute struct {
	Host, Address string
	App           string
	Space         hosting.SpaceState
	ReadOnly      bool // growth is stopped at the ingress
}

// EdgeRoutes returns every routed host.
func (tx *Tx) EdgeRoutes() ([]EdgeRoute, error) {
	return many(tx, func(r row) (e EdgeRoute, err error) {
		var as string
		err = r.Scan(&e.Host, &e.Address, &e.App, &as, &e.Space)
		e.ReadOnly = as == hosting.GrowthAtIngress
		return
	}, `SELECT i.host, i.address, i.app, i.stopped_as, s.state FROM instance i JOIN space s ON s.id = i.space_id
		WHERE i.routed = 1 ORDER BY i.host`)
}

// EdgeCertificate is a certificate with its key opened, for an edge.
type EdgeCertificate struct {
	ID, Host, ChainPEM, KeyPEM string
}

// EdgeCertificates returns every certificate that is in use, keys opened.
func (tx *Tx) EdgeCertificates() ([]EdgeCertificate, error) {
	certs, err := many(tx, scanCertificate, `SELECT `+certificateColumns+` FROM certificate WHERE state = 'valid' ORDER BY host`)
	if err != nil {
		return nil, err
	}
	out := make([]EdgeCertificate, 0, len(certs))
	for _, c := range certs {
		key, err := tx.store.options.Seal.Open(c.SealedKey, "certificate/"+c.ID)
		if err != nil {
			return nil, fmt.Errorf("key of the certificate of %s: %w", c.Host, err)
		}
		out = append(out, EdgeCertificate{ID: c.ID, Host: c.Host, ChainPEM: c.ChainPEM, KeyPEM: string(key)})
	}
	return out, nil
}

// EdgeSeen is an ingress agent as it last reported.
type EdgeSeen struct {
	Name    string
	Version int64
	Problem string
	SeenAt  time.Time
}

// SawEdge notes what an ingress agent reports.
func (tx *Tx) SawEdge(name string, version int64, problem string) error {
	_, err := tx.exec(`INSERT INTO edge (name, version, problem, seen_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET version = excluded.version, problem = excluded.problem, seen_at = excluded.seen_at`,
		name, version, problem, micros(tx.Now))
	return err
}

// EdgesSince returns the agents that reported since t.
func (tx *Tx) EdgesSince(t time.Time) ([]EdgeSeen, error) {
	return many(tx, func(r row) (e EdgeSeen, err error) {
		var seen int64
		err = r.Scan(&e.Name, &e.Version, &e.Problem, &seen)
		e.SeenAt = instant(seen)
		return
	}, `SELECT name, version, problem, seen_at FROM edge WHERE seen_at >= $1 ORDER BY name`, micros(t))
}
