package measure

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPatternsAreNothingElse: a pattern is expanded as a pattern, whatever it holds, and never run.
func TestPatternsAreNothingElse(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"polls/a.mdwn", "polls/b c.mdwn", "polls/ü 'x' $(touch pwned).mdwn", "polls/d.txt", "-n/z", "star/*"} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shells := 0
	for _, shell := range [][]string{{"sh"}, {"bash"}, {"busybox", "sh"}} {
		if _, err := exec.LookPath(shell[0]); err != nil {
			continue
		}
		shells++
		for pattern, want := range map[string]string{
			"polls/*": "4", "polls/*.mdwn": "3", "-n/*": "1", "star/*": "1", "*": "3", "polls/b c*": "1", "polls/a.mdwn polls/d.txt": "0",
			"$(touch pwned)": "0", "`touch pwned`": "0", "'; touch pwned; '": "0", "\"$(touch pwned)\"": "0", "*; touch pwned": "0", "$HOME/*": "0", "~/*": "0", "-e": "0",
		} {
			words := append(shell[1:len(shell):len(shell)], "-c", counting, "sh", root, pattern)
			out, err := exec.CommandContext(t.Context(), shell[0], words...).CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("%s: %q: %q, %v; want %s", shell[0], pattern, out, err, want)
			}
		}
	}
	if shells == 0 {
		t.Skip("there is no shell")
	}
	for _, dir := range []string{root, "."} {
		if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
			t.Error("a pattern was run as a command, in", dir)
		}
	}
}
