package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// iconPolicy is for pictures that a host may have brought along: opened on their own they can do nothing at all.
const iconPolicy = "default-src 'none'; sandbox"

// appIcon is the picture of kinds that the catalogue does not know.
const appIcon = "app"

// icons are the pictures of the catalogue's kinds with the style sheet that shows them. Pages have no styles of their
// own, so that each kind has a class; the picture is a mask, filled with the colour of the text around it.
type icons struct {
	byFile  map[string]icon // pads.svg → the picture
	styles  []byte
	version string // of the style sheet: a hash
}

type icon struct {
	body    []byte
	version string
}

// newIcons asks picture for the SVG of each kind.
func newIcons(kinds []string, picture func(kind string) []byte) *icons {
	i := &icons{byFile: map[string]icon{}}
	var css strings.Builder
	for _, kind := range append([]string{appIcon}, kinds...) {
		body := picture(kind)
		if len(body) == 0 {
			continue
		}
		file := kind + ".svg"
		i.byFile[file] = icon{body: body, version: versionOf(body)}
		fmt.Fprintf(&css, ".kind-%[1]s { -webkit-mask-image: url(\"%[2]s\"); mask-image: url(\"%[2]s\"); }\n", kind, i.address(file))
	}
	i.styles = []byte(css.String())
	i.version = versionOf(i.styles)
	return i
}

func versionOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:6])
}

// address holds the version, so that browsers may keep the picture for ever and still see a new one at once.
func (i *icons) address(file string) string { return "/icons/" + file + "?v=" + i.byFile[file].version }

// stylesAddress is where the style sheet is found.
func (i *icons) stylesAddress() string { return "/icons.css?v=" + i.version }

// class is how a page shows the picture of a kind.
func (i *icons) class(kind string) string {
	if _, ok := i.byFile[kind+".svg"]; !ok {
		kind = appIcon
	}
	return "kind-" + kind
}

func (s *site) icon(c *fiber.Ctx) error {
	found, ok := s.icons.byFile[c.Params("file")]
	if !ok {
		return fiber.ErrNotFound
	}
	c.Set("Content-Security-Policy", iconPolicy)
	return sendKept(c, contentType(".svg"), found.body, found.version)
}

func (s *site) iconStyles(c *fiber.Ctx) error {
	return sendKept(c, contentType(".css"), s.icons.styles, s.icons.version)
}

// sendKept sends what browsers may keep: for ever at an address that holds the version, an hour at another.
func sendKept(c *fiber.Ctx, kind string, body []byte, version string) error {
	c.Set("Cache-Control", "public, max-age=3600")
	if c.Query("v") == version {
		c.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	c.Set("Content-Type", kind)
	return c.Send(body)
}
