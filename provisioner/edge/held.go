package edge

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"framagit.org/frama/frama/provisioner"
)

// signed is a snapshot with the proof of where it came from. It is kept as it came, and verified again when read.
type signed struct {
	ETag      string `json:"etag"`
	Signature string `json:"signature"`
	Body      []byte `json:"body"`

	snapshot provisioner.Snapshot
}

// ErrBackwards means that an old snapshot came again: somebody repeats what was signed in the past.
var ErrBackwards = errors.New("the snapshot is older than the one this edge holds")

// open verifies and decodes.
func (s *signed) open(key ed25519.PublicKey) error {
	if err := verify(key, s.Body, s.Signature); err != nil {
		return err
	}
	if err := json.Unmarshal(s.Body, &s.snapshot); err != nil {
		return fmt.Errorf("decode the snapshot: %w", err)
	}
	return nil
}

// load reads the last good snapshot; fs.ErrNotExist when there is none yet.
func load(path string, key ed25519.PublicKey) (*signed, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the snapshot kept on disk: %w", err)
	}
	var s signed
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("the snapshot kept in %s is damaged: %w", path, err)
	}
	if err := s.open(key); err != nil {
		return nil, fmt.Errorf("the snapshot kept in %s: %w", path, err)
	}
	return &s, nil
}

// save keeps a snapshot across restarts of the agent.
func (s *signed) save(path string) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep the snapshot: %w", err)
	}
	return replace(path, raw)
}

// follows decides whether got may take the place of held. restored is true when frama counts from a lower version
// again, which is what a restore of its database from a backup looks like: its snapshot is then the newer one by time,
// and the edge follows it, since frama is the authority. What was created after the backup is no longer routed until
// frama knows it again. A snapshot that is older both by version and by time is a repetition and refused.
func follows(held, got *signed) (restored bool, err error) {
	if held == nil || got.snapshot.Version > held.snapshot.Version {
		return false, nil
	}
	if got.snapshot.MadeAt.After(held.snapshot.MadeAt) {
		return true, nil
	}
	return false, fmt.Errorf("%w: version %d of %s came, version %d of %s is held; if frama's clock was wrong before, "+
		"stop this agent, remove its snapshot.json and start it again", ErrBackwards,
		got.snapshot.Version, got.snapshot.MadeAt.UTC().Format("2006-01-02 15:04:05"),
		held.snapshot.Version, held.snapshot.MadeAt.UTC().Format("2006-01-02 15:04:05"))
}

// absent says that there is simply no snapshot yet.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
