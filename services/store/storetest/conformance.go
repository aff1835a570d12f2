package storetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"framagit.org/frama/frama/services/store"
)

// bundle is what one test of the suite works with.
type bundle struct {
	*testing.T
	dsn   string
	store *store.Store
	clock *Clock
}

// Run runs the conformance suite. fresh returns the address of an empty database.
func Run(t *testing.T, fresh func(testing.TB) string) {
	for _, c := range []struct {
		name string
		test func(bundle)
	}{
		{"capacity", capacity},
		{"tally", tally},
		{"reserved room", reserved},
		{"turns", turns},
		{"requests that wait for room", waitingRequests},
		{"withdrawn spaces", withdrawnSpaces},
		{"withdrawn or claimed", withdrawnOrClaimed},
		{"restarted runs", restartedRuns},
		{"shares of the cost", shares},
		{"migrations", migrations},
		{"migrations at once", migrationsAtOnce},
		{"rollback leaves nothing", rollback},
		{"a failed statement ends the transaction", failedStatement},
		{"hook", hook},
		{"cancelled", cancelled},
		{"a read sees one moment", oneMoment},
		{"a read cannot write", readOnly},
		{"any text can be kept", anyText},
		{"times", times},
		{"requests", requests},
		{"request moves", requestMoves},
		{"request search", requestSearch},
		{"request pages", requestPages},
		{"similar requests", similarRequests},
		{"spaces", spaces},
		{"space moves", spaceMoves},
		{"space pages", spacePages},
		{"unique names", uniqueNames},
		{"one wins", oneWins},
		{"instances", instances},
		{"ports", ports},
		{"growth", growth},
		{"growth at edges", growthAtEdges},
		{"limits told", growthTold},
		{"spaces of the host", commons},
		{"one makes the host's space", commonsAtOnce},
		{"tenants", tenants},
		{"tenants awake", tenantsAwake},
		{"setup steps", setupSteps},
		{"backing choice", backingChoice},
		{"backing race", backingRace},
		{"backing moves", backingMoves},
		{"certificates", certificates},
		{"edge version", edgeVersion},
		{"edge contents", edgeContents},
		{"edges seen", edgesSeen},
		{"quotas", quotas},
		{"spaces to weigh", quotaSpaces},
		{"list of quotas", quotaList},
		{"unused spaces", quotaUnused},
		{"due to be weighed", spacesToWeigh},
		{"one weighs at a time", oneWeighsAtATime},
		{"versions of plans", planVersions},
		{"exceptions", exceptions},
		{"wishes", asks},
		{"wishes at once", asksAtOnce},
		{"retention", retention},
		{"retention: what is to be kept", retentionKept},
		{"retention: looks", retentionLooks},
		{"retention: looks at once", retentionAtOnce},
		{"usage due", usageDue},
		{"usage claims", usageClaims},
		{"usage now", usageNow},
		{"usage of many", usageMany},
		{"usage days", usageDays},
		{"usage a month ago", usageMonthAgo},
		{"usage and wrong clocks", usageWrongClock},
		{"usage that cannot be read", usageBroken},
		{"usage rolled up at once", usageRollUpAtOnce},
		{"usage history", usageHistory},
		{"outbox", outbox},
		{"outbox claims", outboxClaims},
		{"staff", staff},
		{"sessions", sessions},
		{"failed logins", failedLogins},
		{"settings", settings},
		{"seal", sealCheck},
		{"audit", audit},
		{"runs", runs},
		{"journal life", journalLife},
		{"journal fence", journalFence},
		{"journal claims", journalClaims},
		{"journal order", journalOrder},
		{"journal parked", journalParked},
		{"journal race", journalRace},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn, clock := fresh(t), NewClock()
			c.test(bundle{T: t, dsn: dsn, store: Open(t, dsn, clock.With), clock: clock})
		})
	}
}

func (b bundle) write(f func(*store.Tx) error) {
	b.Helper()
	write(b, b.store, f)
}

// refused runs a write that must fail with the error.
func (b bundle) refused(want error, f func(*store.Tx) error) {
	b.Helper()
	if err := b.store.Write(context.Background(), f); !errors.Is(err, want) {
		b.Fatalf("got %v, want %v", err, want)
	}
}

// missing runs a read that must find nothing.
func missing[T any](b bundle, f func(*store.Tx) (T, error)) {
	b.Helper()
	err := b.store.Read(context.Background(), func(tx *store.Tx) error { _, err := f(tx); return err })
	if !errors.Is(err, store.ErrNotFound) {
		b.Fatalf("got %v, want %v", err, store.ErrNotFound)
	}
}

func read[T any](b bundle, f func(*store.Tx) (T, error)) T {
	b.Helper()
	return get(b, b.store, f)
}

func same[T any](b bundle, what string, got, want T) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		b.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// now is the clock's time as the database keeps it.
func (b bundle) now() time.Time { return b.clock.Now().UTC().Truncate(time.Microsecond) }
