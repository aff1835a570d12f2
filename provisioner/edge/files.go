package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// layout names the files of an edge. HAProxy's configuration refers to them by absolute path, and the runtime API knows
// maps and certificates by those very strings.
type layout struct{ dir string }

func (l layout) config() string       { return filepath.Join(l.dir, "haproxy.cfg") }
func (l layout) hosts() string        { return filepath.Join(l.dir, "hosts.map") }
func (l layout) writes() string       { return filepath.Join(l.dir, "writes.map") }
func (l layout) acme() string         { return filepath.Join(l.dir, "acme.map") }
func (l layout) crtList() string      { return filepath.Join(l.dir, "crt-list.txt") }
func (l layout) certs() string        { return filepath.Join(l.dir, "certs") }
func (l layout) cert(f string) string { return filepath.Join(l.dir, "certs", f) }
func (l layout) fallback() string     { return filepath.Join(l.dir, "default.pem") }
func (l layout) pages() string        { return filepath.Join(l.dir, "pages") }
func (l layout) page(f string) string { return filepath.Join(l.dir, "pages", f) }
func (l layout) admin() string        { return filepath.Join(l.dir, "admin.sock") }
func (l layout) master() string       { return filepath.Join(l.dir, "master.sock") }
func (l layout) output() string       { return filepath.Join(l.dir, "haproxy.log") }
func (l layout) held() string         { return filepath.Join(l.dir, "snapshot.json") }
func (l layout) lock() string         { return filepath.Join(l.dir, "agent.lock") }

// plainPath is what needs no quoting in HAProxy's configuration, in its converters' arguments and on its command line.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9/._+@-]*$`)

// newLayout makes the folder, for its owner alone.
func newLayout(dir string) (layout, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return layout{}, fmt.Errorf("data folder: %w", err)
	}
	l := layout{dir: abs}
	if !plainPath.MatchString(abs) {
		return layout{}, fmt.Errorf("data folder %q: HAProxy needs a path of letters, digits and ._+@- only", abs)
	}
	// A socket's path has at most 107 bytes, and HAProxy binds <path>.<pid>.tmp before it renames it.
	if len(l.master()) > 90 {
		return layout{}, fmt.Errorf("data folder %s: the path is too long for the sockets in it, at most 78 characters", abs)
	}
	for _, d := range []string{abs, l.certs(), l.pages()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return layout{}, fmt.Errorf("data folder: %w", err)
		}
	}
	return l, nil
}

// take locks the folder: two agents would undo each other's work. The kernel drops the lock with the process.
func (l layout) take() (release func(), err error) {
	f, err := os.OpenFile(l.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another edge agent already works in %s: stop it, or give this one another data folder", l.dir)
	}
	return func() { _ = f.Close() }, nil
}

// replace writes a file so that after a crash it is either the old or the new one. It leaves an equal file alone.
func replace(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// sweep removes the private keys of certificates that nothing refers to any more.
func (l layout) sweep(keep map[string]bool) error {
	entries, err := os.ReadDir(l.certs())
	if err != nil {
		return fmt.Errorf("read %s: %w", l.certs(), err)
	}
	for _, e := range entries {
		if keep[e.Name()] || !strings.Contains(e.Name(), ".pem") {
			continue
		}
		if err := os.Remove(l.cert(e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an unused certificate: %w", err)
		}
	}
	return nil
}
