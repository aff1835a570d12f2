package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
)

//go:embed static
var staticFiles embed.FS

// assets are the files pages load. Their addresses hold a hash of their content, so that browsers may keep them for
// ever and still see a new version at once.
type assets struct {
	byFile map[string]asset  // style.1a2b3c4d5e6f.css → the file
	byName map[string]string // style.css → its address
}

type asset struct {
	body []byte
	kind string // content type
}

func newAssets() (*assets, error) {
	a := &assets{byFile: map[string]asset{}, byName: map[string]string{}}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, fmt.Errorf("list the pages' files: %w", err)
	}
	for _, entry := range entries {
		body, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read the pages' files: %w", err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(entry.Name())
		file := strings.TrimSuffix(entry.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byFile[file] = asset{body: body, kind: contentType(ext)}
		a.byName[entry.Name()] = "/static/" + file
	}
	return a, nil
}

// contentType is fixed here rather than asked of the machine, whose tables differ.
func contentType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}

// address is where the named file is found. An unknown name is an error, which the tests of the templates meet.
func (a *assets) address(name string) (string, error) {
	address, ok := a.byName[name]
	if !ok {
		return "", fmt.Errorf("no file %q in static", name)
	}
	return address, nil
}

func (s *site) static(c *fiber.Ctx) error {
	file, ok := s.assets.byFile[c.Params("file")]
	if !ok {
		return fiber.ErrNotFound
	}
	c.Set("Cache-Control", "public, max-age=31536000, immutable")
	c.Set("Content-Type", file.kind)
	return c.Send(file.body)
}

// favicon has a fixed address since browsers and feeds ask for it by name.
func (s *site) favicon(c *fiber.Ctx) error {
	body, err := staticFiles.ReadFile("static/favicon.svg")
	if err != nil {
		return err
	}
	c.Set("Cache-Control", "public, max-age=86400")
	c.Set("Content-Type", contentType(".svg"))
	return c.Send(body)
}

// robots keeps search engines to the public pages.
func (s *site) robots(c *fiber.Ctx) error {
	return c.SendString("User-agent: *\nDisallow: /admin\nDisallow: /track/\nDisallow: /confirm/\nDisallow: /slug\n")
}

// health says that the process is up and answers; frama doctor looks at what it depends on.
func (s *site) health(c *fiber.Ctx) error { return c.SendString("ok\n") }
