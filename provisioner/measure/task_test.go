package measure_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/measure"
)

func write(t *testing.T, size int, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("a", size)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func counting(pattern string) string {
	return fmt.Sprintf("usage \"files\" {\n  from    = \"files\"\n  pattern = %q\n}\n", pattern)
}

// TestVolumeGrowsByWhatIsWritten measures with the real du.
func TestVolumeGrowsByWhatIsWritten(t *testing.T) {
	cluster, apps := &paper{t: t, path: t.TempDir()}, appWith(t, "")
	before := look(t, measure.Options{Cluster: cluster, Catalogue: apps}, pads)["volume_bytes"]
	write(t, 3<<20, cluster.path, "uploads 'of' $HOME", "one.bin")
	write(t, 0, cluster.path, "uploads 'of' $HOME", "empty")
	after := look(t, measure.Options{Cluster: cluster, Catalogue: apps}, pads)["volume_bytes"]
	if before.Problem != "" || after.Problem != "" || after.Value-before.Value < 3<<20 || after.Value-before.Value > 3<<20+64<<10 {
		t.Errorf("%+v, then %+v", before, after)
	}
	cluster.path = ""
	if got := look(t, measure.Options{Cluster: cluster, Catalogue: apps}, pads); len(got) != 0 {
		t.Errorf("without a volume: %+v", got)
	}
}

// TestDiskUsageAsItComes: what du may say of a volume that lives.
func TestDiskUsageAsItComes(t *testing.T) {
	apps := appWith(t, "")
	for name, c := range map[string]struct {
		code   int
		output string
		value  int64
		words  string
	}{
		"a file vanished":                 {1, "du: cannot access '/data/db-journal': No such file or directory\n12\t/data\n", 12 << 10, ""},
		"BusyBox":                         {0, "12\t/data\n", 12 << 10, ""},
		"lost+found of a real disk":       {1, "du: cannot read directory '/data/lost+found': Permission denied\n12\t/data\n", 12 << 10, ""},
		"what it may not read":            {1, "du: cannot read directory '/data/db': Permission denied\n12\t/data\n", 0, "may not read all"},
		"no sum":                          {1, "du: cannot access '/data'\n", 0, "gave no sum"},
		"no du":                           {127, "timeout: failed to run command 'du': No such file or directory\n", 0, "a command is missing"},
		"it does not end":                 {137, "", 0, "did not end within"},
		"absurd":                          {0, "99999999999999999999\t/data\n", 0, "more than there can be"},
		"the key, among what du says":     {1, "du: " + apiKey + "\n", 0, "•••"},
		"a file whose name looks like it": {1, "du: cannot access '/data/5\n7\t/etc': gone\n12\t/data\n", 12 << 10, ""},
	} {
		cluster := &paper{t: t, path: "/data", secrets: map[string]string{"api_key": apiKey}}
		cluster.exec = func(_ context.Context, command []string) (int, string, error) {
			if line := strings.Join(command, " "); !strings.HasPrefix(line, "env LC_ALL=C timeout -s KILL ") || !strings.HasSuffix(line, " du -sk /data") {
				t.Error(line)
			}
			return c.code, c.output, nil
		}
		r := look(t, measure.Options{Cluster: cluster, Catalogue: apps}, pads)["volume_bytes"]
		if r.Value != c.value || (r.Problem == "") != (c.words == "") || !strings.Contains(r.Problem, c.words) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestFilesAreCounted counts with the real shell.
func TestFilesAreCounted(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"polls/a.mdwn", "polls/b c.mdwn", "polls/ü 'x' $(touch pwned).mdwn", "polls/d.txt", "deep/1/x", "deep/2/x", "deep/2/y", "-n/z", "star/*"} {
		write(t, 1, root, name)
	}
	if err := os.Symlink("/nowhere", filepath.Join(root, "polls/broken.mdwn")); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]int64{"polls/*.mdwn": 4, "polls/*": 5, "polls/*.png": 0, "none/*": 0, "deep/*/*": 3, "polls/a.mdwn": 1, "polls/[ab]*": 3} {
		r := look(t, measure.Options{Cluster: &paper{t: t, path: root}, Catalogue: appWith(t, counting(pattern))}, pads)["files"]
		if r.Problem != "" || r.Value != want {
			t.Errorf("%s: %+v; want %d", pattern, r, want)
		}
	}
	cluster := &paper{t: t, path: filepath.Join(root, "gone")}
	if r := look(t, measure.Options{Cluster: cluster, Catalogue: appWith(t, counting("*"))}, pads)["files"]; !strings.Contains(r.Problem, "status 3") {
		t.Errorf("a folder that is not: %+v", r)
	}
	cluster = &paper{t: t}
	if r := look(t, measure.Options{Cluster: cluster, Catalogue: appWith(t, counting("*"))}, pads)["files"]; !strings.Contains(r.Problem, "has the volume") {
		t.Errorf("without a volume: %+v", r)
	}
}

func TestCommands(t *testing.T) {
	for script, want := range map[string]struct {
		value int64
		words string
	}{
		"echo 42":                       {42, ""},
		"printf '  7 \\n'":              {7, ""},
		"echo -3":                       {0, "less than nothing"},
		"echo 1.5":                      {0, "a fraction"},
		"echo none":                     {0, "no number; it begins with: none"},
		"true":                          {0, "nothing came"},
		"echo 3; echo warning >&2":      {0, "several words"},
		"echo no such table >&2; false": {0, "ended with status 1; it begins with: no such table"},
		"exec sleep 30":                 {0, "did not end within"},
		"yes":                           {0, "did not end within"},
		"exec nonesuch":                 {0, "a command is missing"},
		"echo " + apiKey:                {0, "•••"},
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			usage := fmt.Sprintf("usage \"files\" {\n  from    = \"exec\"\n  task    = \"app\"\n  command = [\"sh\", \"-c\", %q]\n}\n", script)
			cluster := &paper{t: t, secrets: map[string]string{"api_key": apiKey}}
			r := look(t, measure.Options{Cluster: cluster, Catalogue: appWith(t, usage)}, pads)["files"]
			if r.Value != want.value || (r.Problem == "") != (want.words == "") || !strings.Contains(r.Problem, want.words) {
				t.Errorf("%+v; want %+v", r, want)
			}
		})
	}
}

// TestBrokenProbe: a probe that panics costs its own reading only.
func TestBrokenProbe(t *testing.T) {
	cluster := &paper{t: t, path: "/data"}
	n := 0
	cluster.exec = func(context.Context, []string) (int, string, error) {
		if n++; n == 1 {
			panic("nil map")
		}
		return 0, "5", nil
	}
	got := look(t, measure.Options{Cluster: cluster, Catalogue: appWith(t, counting("*"))}, pads)
	if !strings.Contains(got["volume_bytes"].Problem, "broke down (nil map)") || got["files"].Value != 5 {
		t.Errorf("%+v", got)
	}
}

// TestAllProbesShareATime: however many probes hang, the instance is left after a while, and each has its reason.
func TestAllProbesShareATime(t *testing.T) {
	var blocks strings.Builder
	for _, metric := range []string{"pads", "files", "posts", "polls", "forms", "events"} {
		fmt.Fprintf(&blocks, "usage %q {\n  from = \"exec\"\n  task = \"app\"\n  command = [\"sleep\", \"100\"]\n}\n", metric)
	}
	cluster := &paper{t: t}
	cluster.exec = func(ctx context.Context, _ []string) (int, string, error) {
		<-ctx.Done()
		return 0, "", ctx.Err()
	}
	start := time.Now()
	got := look(t, measure.Options{Cluster: cluster, Catalogue: appWith(t, blocks.String()), Timeout: 300 * time.Millisecond}, pads)
	for metric, r := range got {
		if r.Problem == "" {
			t.Errorf("%s: %+v", metric, r)
		}
	}
	if took := time.Since(start); len(got) != 6 || took > 5*time.Second {
		t.Errorf("%d readings after %s", len(got), took)
	}
	if !strings.Contains(got["events"].Problem, "not looked at") {
		t.Errorf("%+v", got["events"])
	}
}

// TestOutageIsNoInstancesFault: when the cluster does not answer there is no measurement, and so no problem of an instance.
func TestOutageIsNoInstancesFault(t *testing.T) {
	down := &provisioner.TemporaryError{Reason: "Nomad does not answer"}
	for usage, cluster := range map[string]*paper{
		"": {t: t, path: "/data", down: down}, getStats: {t: t, down: down}, // its mounts, then its secrets
	} {
		i := pads
		if usage != "" {
			i.Volume = ""
		}
		m, err := measure.New(measure.Options{Cluster: cluster, Catalogue: appWith(t, usage),
			URL: func(host string) string { return "https://" + host }, Timeout: time.Second, Now: time.Now}).Measure(t.Context(), i)
		var temporary *provisioner.TemporaryError
		if !errors.As(err, &temporary) || len(m.Readings) != 0 {
			t.Errorf("%q: %+v, %v", usage, m, err)
		}
	}
	cluster := &paper{t: t, path: "/data"}
	cluster.exec = func(context.Context, []string) (int, string, error) {
		return 0, "", &provisioner.TemporaryError{Reason: "Nomad could not run a command just now", Err: errors.New("No path to node")}
	}
	if r := look(t, measure.Options{Cluster: cluster, Catalogue: appWith(t, "")}, pads)["volume_bytes"]; !strings.Contains(r.Problem, "No path to node") {
		t.Errorf("a node that is away: %+v", r)
	}
}
