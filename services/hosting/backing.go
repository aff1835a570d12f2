package hosting

import "time"

// BackingState is where something that an instance has on a backing server stands. The states in -ing are intentions:
// they are written down before the server is touched, so that whatever a crash leaves there is known.
type BackingState string

const (
	BackingWanted    BackingState = "wanted"    // a server is chosen; something may be on it already
	BackingMade      BackingState = "made"      // the instance can use it
	BackingRotating  BackingState = "rotating"  // a new password is on its way
	BackingRetiring  BackingState = "retiring"  // being closed
	BackingRetired   BackingState = "retired"   // closed and set aside; the data is there
	BackingRestoring BackingState = "restoring" // being opened again
	BackingPurging   BackingState = "purging"   // being deleted
	BackingPurged    BackingState = "purged"    // gone; the row stays, so that its name is never used again
)

// Backing is a database, account or bucket of one instance on a declared server.
type Backing struct {
	ID         string
	InstanceID string
	Service    string // what the application needs: postgres, mysql, redis, s3 or smtp
	Server     string // its name in the configuration; the data is there, so it never changes
	Name       string // of the database, user, key prefix or bucket
	SetAside   string // the name it has while retired, or empty
	State      BackingState
	CreatedAt  time.Time
	RotatedAt  time.Time // zero when it has its first password
	RetiredAt  time.Time
	HeldUntil  time.Time // until then whoever works on it is alone with it
}
