package store_test

import (
	"testing"

	"framagit.org/frama/frama/services/store/storetest"
)

func TestSQLite(t *testing.T)     { storetest.Run(t, storetest.SQLite) }
func TestPostgreSQL(t *testing.T) { storetest.Run(t, storetest.PostgreSQL) }
