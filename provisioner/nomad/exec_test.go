package nomad

import (
	"slices"
	"strings"
	"testing"
)

// Whoever hides secrets in what a command wrote must find them whole.
func TestTheEndOfAnOutputHoldsNoHalfSecret(t *testing.T) {
	const secret = "S3cretS3cretS3cretS3cret"
	for name, c := range map[string]struct{ written, end string }{
		"lines":         {strings.Repeat("x", 100) + secret + "\n" + strings.Repeat("y", tailSize-12) + "\nend\n", "\nend\n"},
		"one long line": {strings.Repeat("x", 100) + secret + strings.Repeat("y", tailSize-10) + "end", "end"},
		"a line's end":  {strings.Repeat("x", 100) + secret + strings.Repeat("y", tailSize-11) + "\n", "y\n"},
	} {
		var out tail
		for part := range slices.Chunk([]byte(c.written), 1000) {
			_, _ = out.Write(part)
		}
		got := out.String()
		if strings.Contains(got, "cret") || !strings.HasSuffix(got, c.end) || len(got) > tailSize {
			t.Errorf("%s: %d bytes, begins with %.30q, ends with %q", name, len(got), got, got[max(0, len(got)-10):])
		}
	}
	var short tail
	_, _ = short.Write([]byte(secret + "\nend"))
	if got := short.String(); got != secret+"\nend" {
		t.Errorf("what was not cut is %q", got)
	}
}
