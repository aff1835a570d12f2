package catalogue

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryKindHasAnIcon(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.AllKinds() {
		if icon := c.Icon(k.ID); len(icon) == 0 || bytes.Equal(icon, c.Icon("nothing")) {
			t.Error("no icon of its own:", k.ID)
		}
	}
	if !bytes.Contains(c.Icon("nothing"), []byte("<svg")) {
		t.Error("a kind without an icon has that of applications")
	}
}

func TestIconsOfTheHost(t *testing.T) {
	put := func(text string) string {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "icons"), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "icons", "pads.svg"), text)
		return dir
	}
	const ours = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M1 1h2"/></svg>`
	c, err := Load(put(ours))
	if err != nil || string(c.Icon("pads")) != ours {
		t.Error(err)
	}
	for says, text := range map[string]string{
		"no <script>":         `<svg><script>alert(1)</script></svg>`,
		"no <image>":          `<svg><image href="https://example.org/x.png"/></svg>`,
		"no <html>":           `<html></html>`,
		"onload is not":       `<svg onload="alert(1)"></svg>`,
		"fill is not":         `<svg><path fill="url(https://example.org/x)"/></svg>`,
		"is an SVG picture":   `<svg>`,
		"href is not":         `<svg><g href="x"/></svg>`,
		"no <foreignObject>":  `<svg><foreignObject/></svg>`,
		"at most 16384 bytes": ours + strings.Repeat(" ", maxIcon),
	} {
		if _, err := Load(put(text)); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "icons/pads.svg") {
			t.Errorf("%s: %v", says, err)
		}
	}
}
