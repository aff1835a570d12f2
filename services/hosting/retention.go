package hosting

import "time"

// Retained is an object that a rule of retention is about, from the day it was announced.
type Retained struct {
	ID          string
	InstanceID  string
	Metric      string        // the kind of object
	Object      string        // its name in the application: people's words
	ChangedAt   time.Time     // when it was last changed, as the application said when it was announced
	Unused      time.Duration // of the rule it was announced under
	AnnouncedAt time.Time     // when the association was told
	RemoveAt    time.Time     // when it is removed, unless it was changed by then
	MailID      string        // the announcement
	State       RetentionState
	EndedAt     time.Time // when it was kept, gone or removed; zero before
	KeepUntil   time.Time // the association wants to keep it so long; zero where it did not say so
	File        string    // what it was exported to, below the archive; empty before
	Problem     string    // why nothing was done yet, and what to do
}

// RetentionState is where an object stands on its way out.
type RetentionState string

const (
	RetentionAnnounced RetentionState = "announced" // the association was told, and can still keep it
	RetentionExported  RetentionState = "exported"  // it is in its file, and is being removed
	RetentionKept      RetentionState = "kept"      // it was changed, somebody wants to keep it, or the rule is not what it was
	RetentionGone      RetentionState = "gone"      // the association removed it itself
	RetentionRemoved   RetentionState = "removed"
)

// Open says whether something is still to happen to the object.
func (s RetentionState) Open() bool { return s == RetentionAnnounced || s == RetentionExported }

// RetentionLook is how the last look for content that nobody changed went, at one instance.
type RetentionLook struct {
	InstanceID string
	At         time.Time
	NextAt     time.Time
	Objects    int    // that there are
	Unread     int    // of which it could not be said when they were changed
	Problem    string // why it did not go as it should; empty when it did
	After      string // the look ended with this object for lack of time, and the next one begins behind it
}
