package hosting

import "time"

// Level is how far a space is with one of its limits. The levels are in order, LevelOK the lowest.
type Level string

const (
	LevelOK      Level = "ok"
	LevelNotice  Level = "notice"  // the association is told, there is time
	LevelWarning Level = "warning" // it is told again: soon
	LevelFull    Level = "full"    // the limit is reached: days of grace begin, then growth stops
	LevelOver    Level = "over"    // far beyond the limit: growth stops at once
)

// Levels lists the levels, the lowest first.
func Levels() []Level { return []Level{LevelOK, LevelNotice, LevelWarning, LevelFull, LevelOver} }

// Rank is the place of the level among Levels, 0 for LevelOK and for what is no level.
func (l Level) Rank() int {
	for i, known := range Levels() {
		if l == known {
			return i
		}
	}
	return 0
}

// Threshold says what happens when usage reaches a share of a limit.
type Threshold struct {
	Level Level
	At    int           // percent of the limit
	Stops bool          // growth is stopped, by the narrowest means the application has; reading and leaving never are
	Grace time.Duration // how long after the level is reached
}

// DefaultThresholds are those of a plan that names none.
func DefaultThresholds() []Threshold {
	return []Threshold{
		{Level: LevelNotice, At: 80}, {Level: LevelWarning, At: 95}, {Level: LevelFull, At: 100, Stops: true, Grace: 14 * 24 * time.Hour},
		{Level: LevelOver, At: 150, Stops: true},
	}
}

// Unlimited is the limit of what has none.
const Unlimited int64 = -1

// Limits are the most a space may have, by metric: storage in bytes, all else as it is counted. A metric that is missing
// has no limit.
type Limits map[string]int64

// PlanVersion is a plan as it was at one time. What spaces may use is the newest version that was applied, whatever a
// file says meanwhile.
type PlanVersion struct {
	Plan       string
	Version    int
	Limits     Limits
	Thresholds []Threshold // the lowest first
	Retention  []RetentionRule
	AppliedAt  time.Time
	AppliedBy  string
}

// RetentionRule removes content that nobody touched for long. There is none unless the host writes one.
type RetentionRule struct {
	Metric   string        // the kind of objects: pads, polls, …
	Unused   time.Duration // without a change for so long
	Announce time.Duration // the association knows so long before
}

// QuotaException is a limit of one space that differs from its plan's.
type QuotaException struct {
	ID        string
	SpaceID   string
	Metric    string
	Limit     int64 // Unlimited for none
	Reason    string
	ExpiresAt time.Time // zero for never
	CreatedAt time.Time
	CreatedBy string
	EndedAt   time.Time // when somebody ended it before its time; zero if nobody did
	EndedBy   string
}

// Active says whether the exception holds at the time.
func (e QuotaException) Active(at time.Time) bool {
	return e.EndedAt.IsZero() && (e.ExpiresAt.IsZero() || at.Before(e.ExpiresAt))
}

// Quota is how a space stands with one limit.
type Quota struct {
	SpaceID     string
	Metric      string
	Used        int64
	Limit       int64 // Unlimited for none
	MonthAgo    int64 // what was used 30 days before; -1 where nobody knows
	Level       Level
	LevelSince  time.Time
	Told        Level     // the highest level the association was told of since it was last well below
	ToldAt      time.Time // zero for never
	StopsAt     time.Time // when growth stops, or stopped; zero for not
	GraceEnds   time.Time // when the days of grace end, or ended; they are given once, until usage is well below again
	StoppedAt   time.Time // when growth was first stopped since usage was last well below; zero for never
	AllowedAt   time.Time // when it was first allowed again after that
	MeasuredAt  time.Time // of the oldest value in Used
	ExceptionID string    // what the limit comes from, when it is not the plan
}

// Permille is Used in thousandths of Limit: 0 without a limit, at most 1 000 000.
func (q Quota) Permille() int {
	switch {
	case q.Limit < 0:
		return 0
	case q.Limit == 0 && q.Used > 0, q.Used/1000 > q.Limit && q.Limit > 0:
		return 1_000_000
	case q.Limit == 0:
		return 0
	}
	return int(float64(q.Used) / float64(q.Limit) * 1000)
}

// Stopped says whether growth is stopped at the time.
func (q Quota) Stopped(at time.Time) bool { return !q.StopsAt.IsZero() && !at.Before(q.StopsAt) }

// QuotaAsk is an association's wish for more.
type QuotaAsk struct {
	ID         string
	SpaceID    string
	Plan       string // the plan it would like; empty for more of Metric
	Metric     string
	Wanted     int64 // of Metric: storage in bytes
	Reason     string
	State      AskState
	Answer     string // mailed to the association
	CreatedAt  time.Time
	AnsweredAt time.Time
	AnsweredBy string
}

// AskState is where a wish for more stands.
type AskState string

const (
	AskOpen     AskState = "open"
	AskGranted  AskState = "granted"
	AskDeclined AskState = "declined"
)

// MaxNote is how many characters the reason of an exception may have.
const (
	MinNote = 3
	MaxNote = 500
)

// ValidateNote says what is wrong with the reason of an exception, as the field.
func ValidateNote(field, note string) error { return validateText(field, note, MinNote, MaxNote) }

// ValidateWish says what is wrong with the reason of a wish for more, as the field.
func ValidateWish(field, reason string) error {
	return validateText(field, reason, MinPurpose, MaxReason)
}

// ValidateAnswer says what is wrong with the answer to a wish, as the field.
func ValidateAnswer(field, answer string) error {
	return validateText(field, answer, MinNote, MaxReason)
}

func validateText(field, value string, least, most int) error {
	errs := fieldErrors{}
	text(errs, field, value, least, most, true)
	return errs.err()
}
