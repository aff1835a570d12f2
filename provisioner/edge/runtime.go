package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runtimeAPI talks to one of HAProxy's sockets: one connection per command, as its management guide describes. Callers
// compose commands of checked words only.
type runtimeAPI struct {
	socket string
	limit  time.Duration // for one command
}

// maxCommand is the most bytes sent in one command: HAProxy takes tune.bufsize, 16 384 by default, and the agent leaves
// room for its bookkeeping.
const maxCommand = 15 << 10

var errTooLong = errors.New("the command is longer than HAProxy's buffer")

// do sends a command and returns the whole answer.
func (r runtimeAPI) do(ctx context.Context, command string) (string, error) {
	if len(command) > maxCommand {
		return "", errTooLong
	}
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", r.socket)
	if err != nil {
		return "", fmt.Errorf("HAProxy's socket: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", fmt.Errorf("HAProxy's socket: %w", err)
	}
	// The master answers more commands on one connection until it is told that there are none.
	if c, ok := conn.(*net.UnixConn); ok {
		if err := c.CloseWrite(); err != nil {
			return "", fmt.Errorf("HAProxy's socket: %w", err)
		}
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, conn); err != nil {
		return out.String(), fmt.Errorf("HAProxy's socket: %w", err)
	}
	return out.String(), nil
}

// nobody says that an error means that no process listens on the socket.
func nobody(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// quiet sends commands that answer nothing when they succeed.
func (r runtimeAPI) quiet(ctx context.Context, command string) error {
	out, err := r.do(ctx, command)
	if err != nil {
		return err
	}
	if s := strings.TrimSpace(out); s != "" {
		return fmt.Errorf("HAProxy answered %s", answer(s))
	}
	return nil
}

// expect sends a command whose answer must hold a word.
func (r runtimeAPI) expect(ctx context.Context, word, command string) error {
	out, err := r.do(ctx, command)
	if err != nil {
		return err
	}
	if !strings.Contains(out, word) {
		return fmt.Errorf("HAProxy answered %s", answer(out))
	}
	return nil
}

// with adds a payload, which an empty line ends.
func with(command, payload string) string {
	return command + " <<\n" + strings.TrimRight(payload, "\n") + "\n"
}

// info is what the agent needs of "show info".
type info struct {
	pid     int
	version string
	digest  string // of the configuration, empty when it is not one of ours
}

func (r runtimeAPI) info(ctx context.Context) (info, error) {
	out, err := r.do(ctx, "show info")
	if err != nil {
		return info{}, err
	}
	var i info
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Pid":
			i.pid, _ = strconv.Atoi(value)
		case "Version":
			i.version = value
		case "description":
			i.digest, _ = strings.CutPrefix(value, "frama-edge ")
		}
	}
	if i.pid == 0 {
		return info{}, errors.New("HAProxy's socket gave no information about its process")
	}
	return i, nil
}

// mapEntries reads a map. Keys that stand in it twice are counted: the map is then to be replaced as a whole.
func (r runtimeAPI) mapEntries(ctx context.Context, path string) (entries map[string]string, doubles int, err error) {
	out, err := r.do(ctx, "show map "+path)
	if err != nil {
		return nil, 0, err
	}
	entries = map[string]string{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || !strings.HasPrefix(f[0], "0x") {
			return nil, 0, fmt.Errorf("read the map %s: HAProxy answered %s", path, quote(line))
		}
		if _, twice := entries[f[1]]; twice {
			doubles++
		}
		entries[f[1]] = f[2]
	}
	return entries, doubles, nil
}

// answer shows the end of what HAProxy said: that is where the reason stands.
func answer(out string) string {
	s := printable(strings.TrimSpace(out), len(out)+1)
	if r := []rune(s); len(r) > 300 {
		s = "…" + string(r[len(r)-300:])
	}
	return strconv.Quote(s)
}
