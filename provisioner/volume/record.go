package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// record says what a volume was asked to be. Its presence marks a volume that frama made, to the last step.
type record struct {
	Limit int64  `json:"limit"`           // bytes, in whole blocks
	Owner string `json:"owner,omitempty"` // the instance; none for a volume from before there were owners
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
		return r, false, fmt.Errorf("%s of %s cannot be right (%q): remove it with setfattr -x, then adopt the folder (docs/operate/volumes.md)", attribute, vol.Name(), text[:n])
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
