package catalogue

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// good is a manifest without mistakes; each case below spoils one line of it.
const good = `name   = "toy"
kind   = "pads"
status = "stable"
title {
  fr = "Jouet"
  en = "Toy"
}
description {
  fr = "Un jouet."
  en = "A toy."
}
license    = "MIT"
charter_ok = true
upstream   = "https://example.org/toy"
tenancy    = "instance"
first_url  = "/"
backup     = "files"
upgrade    = "auto-on-start"
suspend    = "proxy"
version    = "1.2.3"
needs      = ["postgres"]
health {
  path   = "/health"
  status = 200
}
secret "admin_password" {
  length = 32
  kind   = "rotatable"
}
value "title" {
  from = "association"
}
plan "starter" {
  cpu    = 100
  memory = 128
  disk   = 100
}
plan "standard" {
  cpu    = 100
  memory = 128
  disk   = 100
}
plan "large" {
  cpu        = 100
  memory     = 128
  memory_max = 256
  disk       = 100
}
quota = "volume"
tasks = ["toy"]
`

const goodJob = `variable "job_id" {
  type = string
}
job "toy" {
  id = "${var.job_id}"
  group "app" {
    service {
      check {
        type = "http"
      }
    }
  }
}
`

// folder lays out a folder of the host with one application.
func folder(t *testing.T, name, manifest, job string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name, "app.hcl"), manifest)
	if job != "" {
		write(t, filepath.Join(dir, name, "job.nomad.hcl"), job)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMalformedManifestsNameTheirPlace(t *testing.T) {
	cases := []struct {
		name, old, new string
		place, says    string // line:column
	}{
		{"no HCL", "name   = \"toy\"", "name = = \"toy\"", "1:8", "Invalid expression"},
		{"unclosed block", "title {", "title", "4:1", "Argument or block definition required"},
		{"other name", `"toy"`, `"toi"`, "1:10", `must be the name of the folder, "toy"`},
		{"upper case", `"toy"`, `"Toy"`, "1:10", "lower-case"},
		{"no name", `name   = "toy"`, "", "1:1", "name is missing in the manifest"},
		{"unknown kind", `"pads"`, `"padz"`, "2:10", `did you mean "pads"?`},
		{"kind with a hyphen", `"pads"`, `"pad-s"`, "2:10", "must be the id of a kind"},
		{"kind is a number", `"pads"`, `7`, "2:10", "kind must be a text"},
		{"unknown status", `"stable"`, `"stabel"`, "3:10", `did you mean "stable"?`},
		{"unknown key", `status = "stable"`, "statsu = \"stable\"", "3:1", `unknown key statsu in the manifest; did you mean "status"?`},
		{"missing key beside it", `status = "stable"`, "statsu = \"stable\"", "1:1", "status is missing"},
		{"no French", `  fr = "Jouet"`, "", "4:1", "fr is missing in block title"},
		{"third language", `  en = "Toy"`, "  en = \"Toy\"\n  de = \"Spielzeug\"", "7:3", "unknown key de"},
		{"empty title", `"Jouet"`, `" "`, "5:8", "fr is empty"},
		{"long title", `"Jouet"`, `"` + strings.Repeat("a", 61) + `"`, "5:8", "too long"},
		{"title as value", "title {\n  fr = \"Jouet\"\n  en = \"Toy\"\n}", `title = "Jouet"`, "4:1", "title is a block"},
		{"two titles", "description {", "title {\n  fr = \"a\"\n  en = \"b\"\n}\ndescription {", "8:1", "occurs twice"},
		{"labelled title", "title {", `title "x" {`, "4:7", "takes no name"},
		{"no description", "description {\n  fr = \"Un jouet.\"\n  en = \"A toy.\"\n}", "", "1:1", "block description { … } is missing"},
		{"licence", `"MIT"`, `"MIT licence!"`, "12:14", "SPDX"},
		{"charter as text", "charter_ok = true", `charter_ok = "yes"`, "13:14", "true or false"},
		{"charter without exceptions", "charter_ok = true", `charter_ok = false`, "13:1", "say in exception"},
		{"upstream", `"https://example.org/toy"`, `"ftp://example.org"`, "14:14", "https"},
		{"tenancy", `"instance"`, `"alone"`, "15:14", "one of instance, shared"},
		{"first_url", `first_url  = "/"`, `first_url  = "index"`, "16:14", "starts with /"},
		{"backup", `"files"`, `"file"`, "17:14", `did you mean "files"?`},
		{"upgrade", `"auto-on-start"`, `"sometimes"`, "18:14", "must be one of"},
		{"suspend", `"proxy"`, `"no"`, "19:14", "must be one of"},
		{"moving version", `"1.2.3"`, `"latest"`, "20:14", "full version"},
		{"needs a text", `["postgres"]`, `"postgres"`, "21:14", "must be a list"},
		{"unknown need", `["postgres"]`, `["postgers"]`, "21:15", `did you mean "postgres"?`},
		{"need twice", `["postgres"]`, `["postgres", "postgres"]`, "21:27", "twice"},
		{"need is a number", `["postgres"]`, `[1]`, "21:15", "texts in quotes only"},
		{"health path", `"/health"`, `"health"`, "23:12", "starts with /"},
		{"health status", "status = 200", "status = 500", "24:12", "from 200 to 399"},
		{"no health", "health {\n  path   = \"/health\"\n  status = 200\n}", "", "1:1", "block health"},
		{"short secret", "length = 32", "length = 8", "27:12", "from 16 to 256"},
		{"half a length", "length = 32", "length = 32.5", "27:12", "whole number"},
		{"secret kind", `"rotatable"`, `"fixed"`, "28:12", "permanent, rotatable"},
		{"secret without name", `secret "admin_password" {`, "secret {", "26:1", "needs one name"},
		{"secret key with a dot", `"admin_password"`, `"admin.password"`, "26:8", "cannot be a key"},
		{"secret with a default", "kind   = \"rotatable\"", "kind   = \"rotatable\"\n  default = \"admin\"", "29:3", "unknown key default"},
		{"key of a service", `"admin_password"`, `"db_password"`, "26:8", "already used by the backing service"},
		{"value takes a secret's key", `value "title"`, `value "admin_password"`, "30:7", "already used by secret"},
		{"value from nowhere", `"association"`, `"password"`, "31:10", "must be one of"},
		{"unknown plan", `plan "starter"`, `plan "startre"`, "33:6", `did you mean "starter"?`},
		{"plan without size", `plan "starter" {`, `plan "startre" {`, "1:1", "no size for the plan starter"},
		{"plan twice", `plan "standard"`, `plan "starter"`, "38:1", "occurs twice"},
		{"no memory", "  memory = 128", "", "33:6", `memory is missing in plan "starter"`},
		{"negative", "cpu    = 100", "cpu    = -1", "34:12", "whole number"},
		{"max below memory", "memory_max = 256", "memory_max = 64", "46:16", "less than memory"},
		{"reads a file", `"1.2.3"`, `file("/etc/passwd")`, "20:14", "written out"},
		{"reads a variable", `"1.2.3"`, `var.version`, "20:14", "written out"},
		{"interpolates", `"1.2.3"`, `"${env.HOME}"`, "20:14", "written out"},
		{"unknown block", `health {`, "healt {\n}\nhealth {", "22:1", `did you mean "health"?`},
		{"volume without gid", "secret \"admin", "volume {\n  uid = 1000\n}\nsecret \"admin", "26:1", "gid is missing in block volume"},
		{"null", `"1.2.3"`, `null`, "20:14", "must be a text"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatal("the case spoils nothing")
			}
			dir := folder(t, "toy", strings.Replace(good, c.old, c.new, 1), goodJob)
			_, err := Load(dir)
			var diags Diagnostics
			if !errors.As(err, &diags) {
				t.Fatal("no diagnostics:", err)
			}
			want := filepath.Join(dir, "toy", "app.hcl") + ":" + c.place + ": "
			for _, d := range diags {
				if strings.HasPrefix(d.String(), want) && strings.Contains(d.Message, c.says) {
					return
				}
			}
			t.Errorf("want %s…%s\n%s", want, c.says, err)
		})
	}
}

func TestAllMistakesComeAtOnce(t *testing.T) {
	text := strings.NewReplacer(`"pads"`, `"padz"`, `"MIT"`, `"?"`, `"1.2.3"`, `"latest"`, "length = 32", "length = 1").Replace(good)
	_, err := Load(folder(t, "toy", text, goodJob))
	var diags Diagnostics
	if !errors.As(err, &diags) || len(diags) != 4 {
		t.Error(err)
	}
}

func TestMalformedJobsNameTheirPlace(t *testing.T) {
	cases := []struct{ name, old, new, place, says string }{
		{"no HCL", "job \"toy\" {", "job \"toy\" = {", "4:11", ""},
		{"undeclared", "${var.job_id}", "${var.job_idd}", "5:11", `did you mean "job_id"?`},
		{"unknown variable", "job \"toy\"", "variable \"prot\" {\n  type = number\n}\njob \"toy\"", "4:10", `did you mean "port"?`},
		{"wrong type", "type = string", "type = number", "2:10", "has the type string"},
		{"no type", "  type = string", "", "1:10", "needs type"},
		{"reads a file", "${var.job_id}", "${file(\\\"/etc/passwd\\\")}", "5:11", "not available"},
		{"no check", "check {", "chekc {", "4:1", "no service of the job has a check"},
		{"two jobs", "variable \"job_id\"", "job \"other\" {\n}\nvariable \"job_id\"", "6:1", "second job"},
		{"unknown block", "variable \"job_id\"", "jbo \"other\" {\n}\nvariable \"job_id\"", "1:1", `did you mean "job"?`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			new := strings.ReplaceAll(c.new, `\"`, `"`)
			dir := folder(t, "toy", good, strings.Replace(goodJob, c.old, new, 1))
			cat, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			diags, err := cat.Lint(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			want := filepath.Join(dir, "toy", "job.nomad.hcl") + ":" + c.place + ": "
			for _, d := range diags {
				if strings.HasPrefix(d.String(), want) && strings.Contains(d.Message, c.says) {
					return
				}
			}
			t.Errorf("want %s…%s\n%s", want, c.says, diags.Error())
		})
	}
}
