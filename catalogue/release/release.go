// Package release signs a folder of applications as one versioned release, and installs such releases on hosts that
// follow it.
//
// A release is a folder (or a .tar.gz of one) with a file release.txt that names it, numbers it and lists every file
// with its SHA-256, and release.txt.minisig, a signature of that file in the format of minisign: anybody can check a
// release with the minisign command and sha256sum. Numbers only grow, so that nobody can bring back an old release with a
// known hole. Installing never changes what a host wrote itself: its own folders (catalogue.dirs) come later and win.
package release

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the two files that make a folder a release.
const (
	IndexFile     = "release.txt"
	SignatureFile = IndexFile + ".minisig"
)

const format = "frama-catalogue 1"

// Bounds of a release. The embedded catalogue is a hundredth of them.
const (
	maxFiles = 5000
	maxFile  = 1 << 20  // bytes
	maxTotal = 64 << 20 // bytes
)

var (
	releaseName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)
	fileName    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,4}$`)
)

// Index says what a release is: the content of release.txt.
type Index struct {
	Name    string // who publishes it, as a host name
	Version int    // grows with each release
	Date    time.Time
	Files   map[string]string // path with slashes, to the SHA-256 in hexadecimal
}

// String is release.txt. The lines of the files are what sha256sum -c reads.
func (x Index) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nname: %s\nversion: %d\ndate: %s\n\n", format, x.Name, x.Version, x.Date.UTC().Format(time.RFC3339))
	for _, name := range sorted(x.Files) {
		fmt.Fprintf(&b, "%s  %s\n", x.Files[name], name)
	}
	return b.String()
}

// parse reads release.txt. Anything but what String writes is refused: it is signed by a machine, not written by people.
func parse(text string) (Index, error) {
	x := Index{Files: map[string]string{}}
	head, list, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) != 4 || lines[0] != format {
		return x, fmt.Errorf("%s is not of the format %q: a newer frama may know it", IndexFile, format)
	}
	var err error
	x.Name = strings.TrimPrefix(lines[1], "name: ")
	x.Version, err = strconv.Atoi(strings.TrimPrefix(lines[2], "version: "))
	if err == nil {
		x.Date, err = time.Parse(time.RFC3339, strings.TrimPrefix(lines[3], "date: "))
	}
	for _, line := range strings.Split(strings.TrimSuffix(list, "\n"), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		x.Files[name] = sum
	}
	if err != nil || x.String() != text {
		return x, fmt.Errorf("%s is malformed", IndexFile)
	}
	return x, x.check()
}

func (x Index) check() error {
	switch {
	case !releaseName.MatchString(x.Name):
		return fmt.Errorf("the name %q cannot be that of a release: use lower-case letters, digits, dots and hyphens", x.Name)
	case x.Version < 1:
		return fmt.Errorf("the version of a release is a number from 1, not %d", x.Version)
	case len(x.Files) > maxFiles:
		return fmt.Errorf("a release has at most %d files, not %d", maxFiles, len(x.Files))
	}
	for name := range x.Files {
		if !fileName.MatchString(name) {
			return fmt.Errorf("%q cannot be a file of a release", name)
		}
	}
	return nil
}

// scan hashes every file below dir but the two of the release itself. Only plain files may be there: a link could lead
// to any file of the machine.
func scan(dir string) (map[string]string, error) {
	files := map[string]string{}
	total := 0
	err := filepath.WalkDir(dir, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		switch {
		case entry.IsDir() && (name == ".git" || name == ".svn"):
			return fs.SkipDir
		case entry.IsDir(), name == IndexFile, name == SignatureFile:
			return nil
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is no plain file", name)
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		total += len(text)
		if len(text) > maxFile || total > maxTotal || len(files) >= maxFiles {
			return fmt.Errorf("%s: a release has at most %d files, of %d bytes each and %d in all", name, maxFiles, maxFile, maxTotal)
		}
		files[name] = digest(text)
		return nil
	})
	return files, err
}

// compare says how the files that are there differ from those that were signed.
func compare(signed, found map[string]string) error {
	var wrong []error
	for _, name := range sorted(signed) {
		if sum, ok := found[name]; !ok {
			wrong = append(wrong, fmt.Errorf("%s is missing", name))
		} else if sum != signed[name] {
			wrong = append(wrong, fmt.Errorf("%s was changed after it was signed", name))
		}
	}
	for _, name := range sorted(found) {
		if _, ok := signed[name]; !ok {
			wrong = append(wrong, fmt.Errorf("%s was added after it was signed", name))
		}
	}
	return errors.Join(wrong...)
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func sorted(files map[string]string) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(path.Dir(a), path.Dir(b)), cmp.Compare(a, b)) })
	return names
}
