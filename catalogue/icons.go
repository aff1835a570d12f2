package catalogue

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const maxIcon = 16 << 10 // bytes

// drawing are the elements an icon may consist of: shapes, and nothing that runs, loads or links.
var drawing = []string{"svg", "g", "title", "path", "circle", "ellipse", "line", "polygon", "polyline", "rect"}

// Icon is the SVG picture of a kind, in one colour: pages use it as a mask. A kind without one has that of applications.
func (c *Catalogue) Icon(kind string) []byte {
	if icon, ok := c.icons[kind]; ok {
		return icon
	}
	return c.icons["app"]
}

// readIcons reads icons/<kind>.svg of a source.
func (s source) readIcons() (map[string][]byte, Diagnostics) {
	names, err := fs.Glob(s.plans, "icons/*.svg")
	if err != nil {
		return nil, nil // the pattern is right, so this cannot be
	}
	icons := map[string][]byte{}
	var diags Diagnostics
	for _, name := range names {
		text, err := fs.ReadFile(s.plans, name)
		if err == nil {
			err = checkIcon(text)
		}
		if err != nil {
			diags = append(diags, Diagnostic{Path: filepath.Join(s.shown, name), Message: err.Error()})
			continue
		}
		icons[strings.TrimSuffix(filepath.Base(name), ".svg")] = text
	}
	return icons, diags
}

func checkIcon(text []byte) error {
	if len(text) > maxIcon {
		return fmt.Errorf("an icon has at most %d bytes", maxIcon)
	}
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for first := true; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && !first {
			return nil
		}
		if err != nil {
			return fmt.Errorf("an icon is an SVG picture: %w", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if first && element.Name.Local != "svg" || !slices.Contains(drawing, element.Name.Local) {
			return fmt.Errorf("an icon holds shapes only, no <%s>", element.Name.Local)
		}
		first = false
		for _, a := range element.Attr {
			name := strings.ToLower(a.Name.Local)
			if strings.HasPrefix(name, "on") || name == "href" || name == "style" || strings.Contains(a.Value, "url(") {
				return fmt.Errorf("an icon holds shapes only: %s is not allowed", a.Name.Local)
			}
		}
	}
}
