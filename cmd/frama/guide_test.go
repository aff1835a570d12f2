package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const guidePage = "../../docs/develop/add-an-application.md"

// TestTheGuideHolds follows the page word for word, but for what needs root: see its e2e sibling.
func TestTheGuideHolds(t *testing.T) { followGuide(t, false) }

// guideBlock is a fenced block of a page.
type guideBlock struct {
	line       int
	kind, info string // the word after the fence, and what follows it
	text       string
}

func guideBlocks(t *testing.T, page string) []guideBlock {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []guideBlock
	var open *guideBlock
	for n, line := range strings.Split(string(text), "\n") {
		switch {
		case open == nil && strings.HasPrefix(line, "```"):
			kind, info, _ := strings.Cut(strings.TrimPrefix(line, "```"), " ")
			open = &guideBlock{line: n + 1, kind: kind, info: info}
		case open != nil && line == "```":
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return blocks
}

// followGuide does what the page says, in an empty folder: it writes the blocks that name a file, runs the commands, and
// looks for every line of the answers that the page shows.
func followGuide(t *testing.T, root bool) {
	dir := t.TempDir()
	last, files, answers := "", 0, 0
	for _, b := range guideBlocks(t, guidePage) {
		switch name, isFile := strings.CutPrefix(b.info, "file="); {
		case isFile:
			files++
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		case b.kind == "sh":
			if last = ""; b.info == "root" && !root {
				continue
			}
			cmd := exec.Command("sh", "-euc", b.text)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "FRAMA_CONFIG=", "GORACE=atexit_sleep_ms=0", "DEBIAN_FRONTEND=noninteractive")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s:%d: %v\n%s%s", guidePage, b.line, err, b.text, out)
			}
			last = string(out)
		case b.kind == "text" && last != "":
			answers++
			for _, line := range strings.Split(strings.TrimSpace(b.text), "\n") {
				if !strings.Contains(last, line) {
					t.Errorf("%s:%d: the answer lacks %q:\n%s", guidePage, b.line, line, last)
				}
			}
		}
	}
	if files < 4 || answers < 2 {
		t.Errorf("the page names %d files and shows %d answers: is it still read as it is written?", files, answers)
	}
}
