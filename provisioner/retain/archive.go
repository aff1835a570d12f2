package retain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Nobody but frama reads what people wrote.
const (
	folderMode = 0o700
	fileMode   = 0o600
)

// folder is where the exports of an instance are, below the archive.
func (l *look) folder() string { return path.Join(fileName(l.space.Handle), fileName(l.Instance.App)) }

// keep writes an object into a file of its own and returns its name below the archive. No other file is ever overwritten, and
// the file is there whole or not at all, also after a power cut.
func (l *look) keep(k kind, o hosting.Retained, body []byte) (string, error) {
	file, err := l.write(path.Join(l.folder(), l.now.Format(time.DateOnly)), fileName(o.Object)+"-"+fileName(o.ID), k.how.ExportAs, body)
	if err != nil {
		return "", fmt.Errorf("its export could not be written to usage.archive (%w): nothing was removed; see that frama may write there, and that there is room", err)
	}
	return file, nil
}

func (l *look) write(folder, name, ending string, body []byte) (file string, err error) {
	if err := os.MkdirAll(l.Archive, folderMode); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(l.Archive) // nothing in it leads out of it
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	if err := root.MkdirAll(folder, folderMode); err != nil {
		return "", err
	}
	part := path.Join(folder, name+".part") // of nobody else: the name holds the object's ID
	if err := root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := writeNew(root, part, body); err != nil {
		_ = root.Remove(part)
		return "", err
	}
	// The name is taken first, by an empty file, which the whole one then replaces.
	if file, err = taken(root, path.Join(folder, name), ending); err != nil {
		return "", err
	}
	if err := root.Rename(part, file); err != nil {
		return "", err
	}
	for dir := folder; ; dir = path.Dir(dir) {
		if err := syncFolder(root, dir); err != nil || dir == "." {
			return file, err
		}
	}
}

func writeNew(root *os.Root, name string, body []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// taken makes an empty file under the first name that is free.
func taken(root *os.Root, name, ending string) (string, error) {
	const most = 100
	for n := 1; ; n++ {
		file := name + "." + ending
		if n > 1 {
			file = fmt.Sprintf("%s-%d.%s", name, n, ending)
		}
		err := writeNew(root, file, nil)
		if err == nil || !errors.Is(err, fs.ErrExist) || n == most {
			return file, err
		}
	}
}

func syncFolder(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// whole sees that the file of an object is there, with so many bytes.
func (l *look) whole(file string, bytes int) error {
	info, err := os.Stat(path.Join(l.Archive, file))
	switch {
	case err != nil:
		return fmt.Errorf("its export is gone from usage.archive (%w): nothing was removed", err)
	case info.Size() != int64(bytes) || bytes == 0:
		return fmt.Errorf("its export has %d bytes in usage.archive instead of %d: nothing was removed; see that there is room", info.Size(), bytes)
	}
	return nil
}

// fileName makes a name that every file system takes, and that leads nowhere, out of people's words.
func fileName(words string) string {
	const most = 80
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, words)
	if name = name[:min(len(name), most)]; strings.Trim(name, "-_") == "" {
		return "object"
	}
	return strings.TrimLeft(name, "-")
}
