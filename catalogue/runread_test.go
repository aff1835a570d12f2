package catalogue

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goodRun is what a manifest may say of how an application runs; it stands after good.
const goodRun = `postgres {
  version    = 15
  extensions = ["unaccent"]
}
image "toy" {
  reference = "docker.io/library/toy:1.2.3"
}
setup "language" {
  task    = "toy"
  command = ["toy", "set", "lang", "fr", "fr"]
}
check "write" {
  request "sign in" {
    method       = "POST"
    path         = "/login"
    content_type = "application/json"
    body         = "{\"password\": \"{admin_password}\"}"
    headers      = { "X-Title" = "{title}" }
    capture "token" {
      pattern = "\"token\":\"([^\"]+)\""
    }
  }
  request "create" {
    method = "PUT"
    path   = "/objects/{object}?token={token}"
    status = 201
  }
}
check "read" {
  request "read" {
    path     = "/objects/{object}?token={token}"
    contains = "{object}"
  }
}
usage "accounts" {
  from  = "sql"
  query = "select count(*) from users"
}
usage "files" {
  from    = "files"
  pattern = "objects/*"
}
includes "polls" {
  fr = "Des sondages"
  en = "Polls"
}
`

func TestRunIsRead(t *testing.T) {
	c, err := Load(folder(t, "toy", good+goodRun, goodJob))
	if err != nil {
		t.Fatal(err)
	}
	app, _ := c.App("toy")
	run := app.Run()
	if run.Postgres.Version != 15 || run.Images["toy"].Reference != "docker.io/library/toy:1.2.3" || app.Includes["polls"].In("en") != "Polls" {
		t.Errorf("%+v", run)
	}
	if len(run.Setup) != 1 || !slices.Equal(run.Setup[0].Command, []string{"toy", "set", "lang", "fr", "fr"}) {
		t.Errorf("%+v", run.Setup)
	}
	write := run.Check.Write
	if len(write) != 2 || write[0].Captures["token"] == "" || write[0].Headers["X-Title"] != "{title}" || write[1].Status != 201 || write[1].Method != "PUT" {
		t.Errorf("%+v", write)
	}
	if read := run.Check.Read; len(read) != 1 || read[0].Method != "GET" || read[0].Status != 200 {
		t.Errorf("%+v", read)
	}
	if len(run.Usage) != 2 || run.Usage[1].Pattern != "objects/*" {
		t.Errorf("%+v", run.Usage)
	}
}

func TestMalformedRunsNameTheirPlace(t *testing.T) {
	text := good + goodRun
	cases := []struct{ name, old, new, at, says string }{
		{"service not needed", `["postgres"]`, `["smtp"]`, "postgres {", "needs does not name postgres"},
		{"two databases", `["postgres"]`, `["postgres", "mysql"]`, `["postgres", "mysql"]`, "both postgres and mysql"},
		{"extension", `"unaccent"`, `"un accent; drop"`, `"un accent; drop"`, "names of extensions"},
		{"no tasks", `tasks = ["toy"]`, "", "", "tasks is missing"},
		{"image of no task", `image "toy"`, `image "tyo"`, `"tyo"`, `did you mean "toy"?`},
		{"image without registry", `docker.io/library/toy:1.2.3`, `toy:1.2.3`, `"toy:1.2.3"`, "must name registry"},
		{"moving image", `toy:1.2.3`, `toy:latest`, `"docker.io/library/toy:latest"`, "the tag latest moves"},
		{"image without tag", `toy:1.2.3`, `toy`, `"docker.io/library/toy"`, "must name registry"},
		{"digest", "  reference = \"docker", "  digest = \"sha256:12\"\n  reference = \"docker", `"sha256:12"`, "64 hexadecimal"},
		{"own image with a registry", "  reference = \"docker.io/library/toy:1.2.3\"",
			"  build     = \"https://example.org/toy\"\n  reference = \"docker.io:5000/toy:1.2.3\"", `"docker.io:5000/toy:1.2.3"`, "image and version only"},
		{"setup of no task", `task    = "toy"`, `task    = "tyo"`, `"tyo"`, "names no task"},
		{"setup without command", "  command = [\"toy\", \"set\", \"lang\", \"fr\", \"fr\"]\n", "", `"language"`, "command is missing"},
		{"command is a text", `["toy", "set", "lang", "fr", "fr"]`, `"toy set"`, `"toy set"`, "list of texts"},
		{"other check", `check "read"`, `check "delete"`, `"delete"`, `a check is "write", "read" or "opening"`},
		{"only written", "check \"read\" {\n  request \"read\" {\n    path     = \"/objects/{object}?token={token}\"\n    contains = \"{object}\"\n  }\n}\n",
			"", `"write"`, "nobody would see"},
		{"nothing in a check", "  request \"read\" {\n    path     = \"/objects/{object}?token={token}\"\n    contains = \"{object}\"\n  }\n", "",
			`"read"`, "has no request"},
		{"method", `"POST"`, `"POTS"`, `"POTS"`, `did you mean "POST"?`},
		{"request path", `"/login"`, `"login"`, `"login"`, "must start with /"},
		{"unknown placeholder", `{admin_password}`, `{admin_pasword}`, `"{\"password\": \"{admin_pasword}\"}"`, `did you mean "admin_password"?`},
		{"captured too late", `"/login"`, `"/login?t={token}"`, `"/login?t={token}"`, "uses {token}"},
		{"header", `{ "X-Title" = "{title}" }`, `{ "X Title" = "a" }`, `{ "X Title"`, "header X Title"},
		{"headers are a list", `{ "X-Title" = "{title}" }`, `["X-Title"]`, `["X-Title"]`, "map of texts"},
		{"pattern", `"\"token\":\"([^\"]+)\""`, `"(("`, `"(("`, "regular expression"},
		{"pattern without group", `"\"token\":\"([^\"]+)\""`, `"token"`, `"token"`, "one group"},
		{"capture takes a known name", `capture "token"`, `capture "host"`, `"host"`, "cannot be captured"},
		{"status", `status = 201`, `status = 999`, `999`, "from 100 to 599"},
		{"request key", `contains = "{object}"`, `contain = "{object}"`, `contain =`, `did you mean "contains"?`},
		{"metric", `usage "accounts"`, `usage "account"`, `"account"`, `did you mean "accounts"?`},
		{"probe", `from  = "sql"`, `from  = "mysql"`, `"mysql"`, "must be one of"},
		{"probe without its key", "  query = \"select count(*) from users\"\n", "", `"accounts"`, "query is missing"},
		{"key of another probe", `pattern = "objects/*"`, "pattern = \"objects/*\"\n  field = \"a\"", "field =", "no meaning"},
		{"asks a database that is not there", `["postgres"]`, `[]`, `"accounts"`, "no database to ask"},
		{"includes its own kind", `includes "polls"`, `includes "pads"`, `"pads" {`, "another kind"},
		{"includes no kind", `includes "polls"`, `includes "polz"`, `"pads"`, "includes names no kind: polz"},
		{"retired without a way out", `"stable"`, `"retired"`, `"retired"`, "replaced_by"},
		{"replaced by nothing", `"stable"`, "\"retired\"\nreplaced_by = \"nothing\"", `"nothing"`, "no other application"},
		{"replaced though not retired", `"stable"`, "\"stable\"\nreplaced_by = \"etherpad\"", `replaced_by =`, "is for retired"},
		{"secret format", `length = 32`, "length = 32\n  format = \"hexa\"", `"hexa"`, `did you mean "hex"?`},
		{"docs", `quota = "volume"`, "quota = \"volume\"\ndocs = [\"ftp://x\"]", `"ftp://x"`, "https addresses"},
		{"quota", `"volume"`, `"volumes"`, `"volumes"`, `did you mean "volume"?`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(text, c.old) {
				t.Fatal("the case spoils nothing")
			}
			spoilt := strings.Replace(text, c.old, c.new, 1)
			dir := folder(t, "toy", spoilt, goodJob)
			_, err := Load(dir)
			var diags Diagnostics
			if !errors.As(err, &diags) {
				t.Fatal("no diagnostics:", err)
			}
			line, column := 1, 1
			if at := strings.LastIndex(spoilt, c.at); c.at != "" && at >= 0 {
				before := spoilt[:at]
				line, column = strings.Count(before, "\n")+1, at-strings.LastIndex(before, "\n")
			}
			for _, d := range diags {
				if d.Path == filepath.Join(dir, "toy", "app.hcl") && d.Line == line && d.Column == column && strings.Contains(d.Message, c.says) {
					return
				}
			}
			t.Errorf("want %d:%d …%s\n%s", line, column, c.says, err)
		})
	}
}
