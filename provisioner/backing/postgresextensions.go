package backing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"framagit.org/frama/frama/provisioner"
)

// allowedExtensions lists what a manifest may ask for: nothing that reaches files, other servers or the operating system.
var allowedExtensions = []string{
	"btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "ltree", "pg_trgm", "pgcrypto",
	"pg_stat_statements", // shows of others' statements their numbers, not their words
	"postgis", "postgis_raster", "postgis_topology", "tablefunc", "unaccent", "uuid-ossp", "vector",
}

// canMake makes sure that the administrator may make the extensions: some are for a superuser.
func (p *postgres) canMake(ctx context.Context, db *pgx.Conn, extensions []string) error {
	rows, err := db.Query(ctx, `SELECT e.name FROM pg_available_extensions e
		JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
		WHERE e.name = ANY ($1) AND v.superuser AND NOT v.trusted
		AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY 1`, extensions)
	if err != nil {
		return err
	}
	above, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(above) > 0 {
		err = p.tooHigh(nil, strings.Join(above, ", "))
	}
	return err
}

// tooHigh is the error of extensions that are for a superuser to make.
func (p *postgres) tooHigh(err error, extensions string) error {
	return p.refused(err, "only a superuser can make the extension %s: ALTER ROLE %s SUPERUSER there, "+
		"or declare a server of its own for such applications; then retry", extensions, ident(p.User))
}

// ensureExtensions makes the extensions that are missing, as the administrator: most need its rights.
func (p *postgres) ensureExtensions(ctx context.Context, g provisioner.Grant) error {
	if len(g.Extensions) == 0 {
		return nil
	}
	return p.admin(ctx, g.Name, func(ctx context.Context, db *pgx.Conn) error {
		for _, name := range g.Extensions {
			var there bool
			if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = $1)`, name).Scan(&there); err != nil {
				return err
			}
			if there {
				continue
			}
			p.at("make extension")
			err := run(ctx, db, fmt.Sprintf(`CREATE EXTENSION IF NOT EXISTS %s`, ident(name)))
			var known *pgconn.PgError
			if errors.As(err, &known) && known.Code == "42501" {
				return p.tooHigh(err, name)
			}
			if err != nil {
				return fmt.Errorf("extension %s: %w", name, err)
			}
		}
		return nil
	})
}
