package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// Version is what Nomad's clients show of the plugin. It grows with what the plugin understands, not with frama.
const Version = "1.0.0"

// Parameters of a volume that has no folder of its own, but carries a new size to another one. Nomad does not change a
// volume while an allocation uses it; one that nobody can use may be changed at any time.
const (
	ParamOf    = "limit_of" // ID of the volume whose limit is meant
	ParamBytes = "bytes"    // the new limit; not as capacity, which Nomad lets grow only
)

// Plugin answers one call of Nomad's client, made with the operation as only argument and its particulars in the
// environment (https://developer.hashicorp.com/nomad/plugins/author/host-volume). The answer is one line of JSON. The
// error, if there is one, is in the answer too: Nomad shows it to whoever asked for the volume.
func Plugin(operation string, environ []string, out io.Writer) error {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	answer, err := call(operation, env)
	if err != nil {
		answer = map[string]any{"error": err.Error()}
	}
	if encodeErr := json.NewEncoder(out).Encode(answer); encodeErr != nil {
		err = errors.Join(err, fmt.Errorf("answer Nomad: %w", encodeErr))
	}
	return err
}

func call(operation string, env map[string]string) (any, error) {
	switch operation {
	case "fingerprint":
		return map[string]string{"version": Version}, nil
	case "create":
		return create(env)
	case "delete":
		return struct{}{}, remove(env)
	}
	return nil, fmt.Errorf("there is no operation %q: Nomad calls fingerprint, create and delete", operation)
}

// made is the answer to create.
type made struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

func create(env map[string]string) (made, error) {
	r, of, err := request(env)
	if err != nil {
		return made{}, err
	}
	f, err := Open(env["DHV_VOLUMES_DIR"])
	if err != nil {
		return made{}, err
	}
	defer f.Close()
	var s State
	if of == "" {
		s, err = f.Create(r)
	} else {
		s, err = f.Resize(of, r.Bytes)
		s.Path = f.at(r.ID) // which is never made: nothing can mount it
	}
	if err != nil {
		return made{}, err
	}
	return made{Path: s.Path, Bytes: s.Limit}, nil
}

// request reads what is asked for. of is the volume that is meant, if it is not the one that is named.
func request(env map[string]string) (r Request, of string, err error) {
	r = Request{ID: env["DHV_VOLUME_ID"], UID: -1, GID: -1, Mode: 0o700} // as the plugin mkdir
	if !identifier.MatchString(r.ID) {
		return r, "", fmt.Errorf("DHV_VOLUME_ID is %q and should be a UUID: frama-volume is called by Nomad's client", r.ID)
	}
	var params map[string]string
	if text := env["DHV_PARAMETERS"]; text != "" {
		if err := json.Unmarshal([]byte(text), &params); err != nil {
			return r, "", fmt.Errorf("DHV_PARAMETERS is no JSON object of strings: %w", err)
		}
	}
	carried := false
	for name, value := range params {
		switch name {
		case "uid":
			r.UID, err = owner(value)
		case "gid":
			r.GID, err = owner(value)
		case "mode":
			r.Mode, err = mode(value)
		case ParamOf:
			if of = value; !identifier.MatchString(of) || of == r.ID {
				err = fmt.Errorf("%q is no ID of another volume", value)
			}
		case ParamBytes:
			carried = true
			r.Bytes, err = strconv.ParseInt(value, 10, 64)
		default:
			err = errors.New("frama-volume knows uid, gid and mode")
		}
		if err != nil {
			return r, "", fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	if carried != (of != "") {
		return r, "", fmt.Errorf("parameters %q and %q belong together", ParamOf, ParamBytes)
	}
	if carried {
		return r, of, nil
	}
	r.Bytes, err = capacity(env)
	return r, "", err
}

// capacity is the most that was asked for: a folder can have any size.
func capacity(env map[string]string) (int64, error) {
	for _, name := range []string{"DHV_CAPACITY_MAX_BYTES", "DHV_CAPACITY_MIN_BYTES"} {
		if env[name] == "" {
			continue
		}
		n, err := strconv.ParseInt(env[name], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is no number: %w", name, err)
		}
		if n != 0 {
			return n, nil
		}
	}
	return 0, nil
}

func owner(text string) (int, error) {
	id, err := strconv.ParseInt(text, 10, 32)
	if err == nil && id < -1 {
		err = fmt.Errorf("%d is nobody's number", id)
	}
	return int(id), err
}

// mode takes permissions only: a folder with the bits of set-user-ID serves nobody.
func mode(text string) (fs.FileMode, error) {
	bits, err := strconv.ParseUint(text, 8, 32)
	if err == nil && bits > 0o777 {
		err = fmt.Errorf("%q is more than permissions, 0777 at most", text)
	}
	return fs.FileMode(bits), err
}

func remove(env map[string]string) error {
	id, dir := env["DHV_VOLUME_ID"], env["DHV_VOLUMES_DIR"]
	if !identifier.MatchString(id) {
		return fmt.Errorf("DHV_VOLUME_ID is %q and should be a UUID: frama-volume is called by Nomad's client", id)
	}
	f, err := Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	switch created := env["DHV_CREATED_PATH"]; {
	case created == f.at(id):
		return f.Delete(id)
	case filepath.Clean(created) == f.given:
		// Nomad tidies up after a create whose result it could not write down. It takes any volume whose name it did not
		// know since it started for a new one, so there may be data in it.
		return f.Forget(id)
	default:
		return fmt.Errorf("DHV_CREATED_PATH is %q, and the volume is %s: nothing was removed; look whether host_volumes_dir was changed", created, f.at(id))
	}
}
