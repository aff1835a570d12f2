package hosting

import "time"

// Metrics that frama itself knows the meaning of; applications' manifests name more (pads, sheets, posts, …). Values are
// whole numbers: people, objects, or bytes for those that end in bytes and for storage.
const (
	MetricAccounts      = "accounts"       // people with an account
	MetricStorage       = "storage"        // bytes that count against the plan: volume, database and bucket
	MetricBytes         = "bytes"          // bytes of files, in the application's own words
	MetricVolumeBytes   = "volume_bytes"   // bytes in the instance's volume
	MetricDatabaseBytes = "database_bytes" // bytes of its database
	MetricBucketBytes   = "bucket_bytes"   // bytes of its objects (S3)
	MetricBackupBytes   = "backup_bytes"   // bytes of its backups: shown, and never counted against the plan
)

// ByteMetric says whether the metric counts bytes.
func ByteMetric(metric string) bool {
	switch metric {
	case MetricStorage, MetricBytes, MetricVolumeBytes, MetricDatabaseBytes, MetricBucketBytes, MetricBackupBytes:
		return true
	}
	return false
}

// Reading is one metric of one instance at one time, or the reason why it could not be read.
type Reading struct {
	Metric  string
	Value   int64  // never negative
	Problem string // why there is no value; what to do next is part of it. Never a secret.
}

// Measurement is what one look at an instance gave.
type Measurement struct {
	InstanceID string
	SpaceID    string
	At         time.Time
	Readings   []Reading
	ActiveAt   time.Time // when people last used it, as the application says; zero where it does not
}

// UsageNow is the newest value of a metric of an instance.
type UsageNow struct {
	InstanceID string
	Metric     string
	Value      int64     // the last that was read
	At         time.Time // when that was
	Problem    string    // why the newest look gave none; empty when it did
	Since      time.Time // since when there is a problem
	MonthAgo   int64     // the value 30 days before; -1 where nobody knows
}

// UsagePoint is one point of a curve.
type UsagePoint struct {
	At   time.Time // start of the hour or day it stands for, or the very moment
	Last int64     // the last value in it
	Max  int64     // the largest in it
}
