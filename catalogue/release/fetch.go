package release

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Fetch brings a release into the folder to: from an https address, a .tar.gz file or a folder. Nothing of it is trusted
// before Verify.
func Fetch(ctx context.Context, source, to string) error {
	switch {
	case strings.HasPrefix(source, "https://"):
		return download(ctx, source, to)
	case strings.Contains(source, "://"):
		return fmt.Errorf("%s: a catalogue comes from an https:// address, a .tar.gz file or a folder", source)
	}
	info, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("the catalogue %s cannot be read: %w", source, err)
	}
	if info.IsDir() {
		return copyFolder(source, to)
	}
	f, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("the catalogue %s cannot be read: %w", source, err)
	}
	defer f.Close()
	return unpack(f, to)
}

func download(ctx context.Context, address, to string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("%s is no address: %w", address, err)
	}
	client := &http.Client{CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Scheme != "https" || len(via) > 5 {
			return errors.New("it redirects too often, or out of https")
		}
		return nil
	}}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("fetch the catalogue: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: is this the address of a catalogue's .tar.gz?", address, answer.Status)
	}
	return unpack(answer.Body, to)
}

// unpack writes the plain files of a .tar.gz. Names that lead out of the folder, links and devices are refused; one
// folder around everything, as archives of repositories have it, is left out.
func unpack(from io.Reader, to string) error {
	zipped, err := gzip.NewReader(io.LimitReader(from, maxTotal))
	if err != nil {
		return fmt.Errorf("the catalogue is no .tar.gz: %w", err)
	}
	var files []string
	archive, total := tar.NewReader(zipped), int64(0)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the catalogue's archive is broken: %w", err)
		}
		name := path.Clean(head.Name)
		switch {
		case head.Typeflag == tar.TypeDir, head.Typeflag == tar.TypeXGlobalHeader:
			continue
		case head.Typeflag != tar.TypeReg:
			return fmt.Errorf("the catalogue's archive holds %s, which is no plain file", head.Name)
		case !filepath.IsLocal(name):
			return fmt.Errorf("the catalogue's archive holds %s, which leads out of it", head.Name)
		}
		total += head.Size
		if head.Size > maxFile || total > maxTotal || len(files) > maxFiles {
			return fmt.Errorf("the catalogue's archive is too large at %s", head.Name)
		}
		if err := writeFile(filepath.Join(to, filepath.FromSlash(name)), io.LimitReader(archive, maxFile)); err != nil {
			return err
		}
		files = append(files, name)
	}
	return unwrap(files, to)
}

// unwrap moves everything up when one folder holds it all.
func unwrap(files []string, to string) error {
	first, _, nested := strings.Cut(strings.Join(files[:min(1, len(files))], ""), "/")
	if !nested {
		return nil
	}
	for _, name := range files {
		if !strings.HasPrefix(name, first+"/") {
			return nil
		}
	}
	if _, err := os.Stat(filepath.Join(to, first, IndexFile)); err != nil {
		return nil //nolint:nilerr // the folder is an application, not a wrapping
	}
	inner := to + ".inner"
	return errors.Join(os.Rename(filepath.Join(to, first), inner), os.Remove(to), os.Rename(inner, to))
}

func copyFolder(from, to string) error {
	names, err := scan(from)
	if err != nil {
		return fmt.Errorf("the catalogue %s is refused: %w", from, err)
	}
	for _, name := range append(sorted(names), IndexFile, SignatureFile) {
		f, err := os.Open(filepath.Join(from, filepath.FromSlash(name)))
		if errors.Is(err, os.ErrNotExist) {
			continue // Verify says what is missing
		}
		if err != nil {
			return fmt.Errorf("the catalogue %s cannot be read: %w", from, err)
		}
		err = writeFile(filepath.Join(to, filepath.FromSlash(name)), io.LimitReader(f, maxFile+1))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(file string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("unpack the catalogue: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("unpack the catalogue: %w", err)
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("unpack the catalogue: %w", err)
	}
	return nil
}
