package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// record says what a volume was asked to be. That it is there says that frama-volume made the volume, to its last step.
//
// Two kinds of requests change a volume's limit: its own, and one that another volume carries. Nomad repeats the last of
// each when its client starts, in any order, so each must be known from a new one.
type record struct {
	Asked   int64 `json:"asked"`             // bytes of the volume's own last request
	Carried int64 `json:"carried,omitempty"` // bytes of the last request that was carried
	Limit   int64 `json:"limit"`             // bytes in force: what the later of the two said, in whole blocks
}

// recorder keeps a volume's record with the volume.
type recorder interface {
	read(vol *os.File) (r record, known bool, err error)
	write(vol *os.File, r record) error
}

// attribute is where the record is. Attributes of this class are seen and changed by root alone, not by root in a
// container either.
const attribute = "trusted.frama.volume"

// attributes is the recorder for all file systems.
type attributes struct{}

func (attributes) read(vol *os.File) (r record, known bool, err error) {
	text := make([]byte, 256)
	n, err := unix.Fgetxattr(int(vol.Fd()), attribute, text)
	switch {
	case errors.Is(err, unix.ENODATA):
		return r, false, nil
	case err != nil:
		return r, false, fmt.Errorf("read %s of %s: %w", attribute, vol.Name(), err)
	}
	if err := json.Unmarshal(text[:n], &r); err != nil || r.Limit < Least {
		return r, false, fmt.Errorf("%s of %s cannot be right (%q): remove it with setfattr -x, and the next request writes it again", attribute, vol.Name(), text[:n])
	}
	return r, true, nil
}

func (attributes) write(vol *os.File, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record of a volume: %w", err)
	}
	if err := unix.Fsetxattr(int(vol.Fd()), attribute, text, 0); err != nil {
		return fmt.Errorf("write %s of %s: %w", attribute, vol.Name(), err)
	}
	return nil
}
