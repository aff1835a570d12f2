package catalogue

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A timetable in Apache's image ignores Apache's stop signal, and was killed at each stop.
func TestTasksInAWebServersImageNameTheirSignal(t *testing.T) {
	const apache = `image = "docker.io/library/nextcloud:33.0.7-apache"`
	task := func(name, config, rest string) string {
		return "task \"" + name + "\" {\n driver = \"docker\"\n config {\n" + config + "\n }\n" + rest + "\n}\n"
	}
	for name, c := range map[string]struct {
		tasks string
		finds int
	}{
		"the server itself":         {task("app", apache, ""), 0},
		"the server, by a shell":    {task("app", apache+"\nentrypoint = [\"/bin/sh\", \"-c\"]\nargs = [\"exec /entrypoint.sh apache2-foreground\"]", ""), 0},
		"a timetable":               {task("cron", apache+"\nentrypoint = [\"/bin/sh\", \"-c\"]\nargs = [\"exec /cron.sh\"]", ""), 1},
		"a timetable with a signal": {task("cron", apache+"\ncommand = \"/cron.sh\"", `kill_signal = "SIGTERM"`), 0},
		"a start script": {task("app", apache+"\nentrypoint = [\"bash\", \"/local/start.sh\"]",
			"template {\n destination = \"local/start.sh\"\n data = \"exec apache2-foreground\"\n}"), 0},
		"known by the other task": {task("app", `image = "docker.io/x/y:1.2.3"`+"\ncommand = \"apache2-foreground\"", "") +
			task("worker", `image = "docker.io/x/y:1.2.3"`+"\ncommand = \"php\"", ""), 1},
		"before the others": {task("app", `image = "docker.io/x/y:1.2.3"`+"\ncommand = \"apache2-foreground\"", "") +
			task("migrate", `image = "docker.io/x/y:1.2.3"`+"\ncommand = \"php\"", "lifecycle {\n hook = \"prestart\"\n}"), 0},
		"another image": {task("worker", `image = "docker.io/x/y:1.2.3"`+"\ncommand = \"php\"", ""), 0},
	} {
		source := "job \"x\" {\n group \"app\" {\n" + c.tasks + "}\n}\n"
		l := lintJob(App{Name: "x", job: job{source: source, path: "job.nomad.hcl"}})
		found := 0
		for _, d := range l.diags {
			if strings.Contains(d.Message, "whose stop signal it ignores") {
				found++
			}
		}
		if _, broken := hclsyntax.ParseConfig([]byte(source), "job.nomad.hcl", hcl.InitialPos); broken.HasErrors() || found != c.finds {
			t.Errorf("%s: %d findings, want %d: %v", name, found, c.finds, broken)
		}
	}
}
