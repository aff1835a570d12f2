package catalogue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

const (
	manifest = "app.hcl"
	docker   = "job.nomad.hcl"
)

// bindBefore is where a mount block begins.
const bindBefore = "        mount {"

// mark stands in the replacement where the mistake is to be found.
const mark = "¦"

// spoiled is one way to spoil the good entry in testdata/toy. The place is where the mark stands in new; without a mark, at
// says it, as "file:line:column".
type spoiled struct {
	name, file string
	old, new   string
	old2, new2 string // in the same file, after that
	at         string
	says       string
	more       int // findings that come with it
}

var badEntries = []spoiled{
	// HCL that reaches beyond the file.
	{name: "file()", file: docker, old: `"docker.io/example/toy:1.2.3"`, new: `¦file("/etc/passwd")`, says: "file() is not available"},
	{name: "templatefile()", file: docker, old: `PUBLIC_URL  = var.url`, new: `PUBLIC_URL  = ¦templatefile("/etc/shadow", {})`, says: "templatefile() is not available", more: 1},
	{name: "fileset()", file: docker, old: `["http"]`, new: `¦fileset("/etc", "*")`, says: "fileset() is not available"},
	{name: "env()", file: docker, old: `"true"`, new: `¦env("HOME")`, says: "env() is not available"},
	{name: "file in a local", file: docker, old: `floor(var.cpu / 4)`, new: `floor(length(¦file("/etc/passwd")))`, says: "file() is not available"},
	{name: "environment by name", file: docker, old: `"true"`, new: `"${¦env["AWS_SECRET_ACCESS_KEY"]}"`, says: "environment of the node"},
	{name: "environment as attribute", file: docker, old: `"true"`, new: `¦env.HOME`, says: "environment of the node"},
	{name: "environment, escaped", file: docker, old: `"true"`, new: `¦"$${env.HOME}"`, says: "environment of the node"},
	{name: "environment in parts", file: docker, old: `["-c", "exec toy --port 8080"]`, new: `¦[join("", ["$", "{env.HOME}"])]`, says: "environment of the node"},
	{name: "token of Nomad", file: docker, old: `"true"`, new: `"${¦NOMAD_TOKEN}"`, says: "does not see a token"},
	{name: "decoded text", file: docker, old: `"sh"`, new: `¦base64decode("L2Jpbi9zaA==")`, says: "could not be checked"},
	{name: "time in a job", file: docker, old: `"true"`, new: `¦timestamp()`, says: "not available"},
	{name: "unknown name", file: docker, old: `PUBLIC_URL  = var.url`, new: `PUBLIC_URL  = ¦vars.url`, says: `did you mean "var"?`, more: 1},
	{name: "dynamic block", file: docker, old: "      resources {", new: "      ¦dynamic \"artifact\" {\n        for_each = [1]\n        content {\n          source = \"https://example.org\"\n        }\n      }\n      resources {", says: "dynamic blocks hide"},
	{name: "dynamic in config", file: docker, old: "        mount {", new: "        ¦dynamic \"mount\" {\n          for_each = [1]\n          content {\n          }\n        }\n        mount {", says: "dynamic blocks hide"},

	// Variables and locals.
	{name: "undeclared", file: docker, old: `= var.url`, new: `= ¦var.urll`, says: `did you mean "url"?`, more: 1},
	{name: "never used", file: docker, old: "locals {", new: "variable ¦\"plan\" {\n  type = string\n}\n\nlocals {", says: "variable plan is never used"},
	{name: "unknown variable", file: docker, old: `variable "url"`, new: `variable ¦"uri"`, says: "frama sets no variable uri", more: 2},
	{name: "variable of the wrong type", file: docker, old: "variable \"port\" {\n  type = number", new: "variable \"port\" {\n  type = ¦string", says: "variable port has the type number"},
	{name: "default of the wrong type", file: docker, old: "default = 200", new: "default = ¦\"many\"", says: "must be a number"},
	{name: "secret as a variable", file: docker, old: "locals {", new: "variable ¦\"admin_password\" {\n  default = \"hunter2\"\n}\n\nlocals {", says: "a secret cannot be a variable", more: 1},
	{name: "secret in a default", file: docker, old: "variable \"url\" {\n  type = string", new: "variable \"url\" {\n  type    = string\n  default = ¦\"https://admin:hunter2@example.org\"", says: "an address holds a password"},
	{name: "local never used", file: docker, old: "locals {", new: "locals {\n  ¦spare = 1", says: "local spare is never used"},
	{name: "undeclared local", file: docker, old: "cpu    = local.helper_cpu", new: "cpu    = ¦local.helper_cpus", says: `did you mean "helper_cpu"?`},
	{name: "job_id left out", file: docker, old: `id   = "${var.job_id}"`, new: `id   = ¦"toy"`, says: "must be ${var.job_id}"},
	{name: "variables in one block", file: docker, old: "locals {", new: "¦variables {\n  spare = 1\n}\n\nlocals {", says: `did you mean "variable"?`},

	// Drivers and what they are told.
	{name: "raw_exec in production", file: docker, old: `driver = "docker"`, new: `driver = ¦"raw_exec"`, says: "driver raw_exec is not allowed", more: 1},
	{name: "process", file: docker, old: `driver = "docker"`, new: `driver = ¦"exec"`, says: "driver exec is not allowed", more: 9},
	{name: "driver by a local", file: docker, old: "locals {", new: "locals {\n  way = \"raw_exec\"", old2: `driver = "docker"`, new2: `driver = ¦local.way`, says: "driver raw_exec is not allowed", more: 1},
	{name: "driver by a choice", file: docker, old: `driver = "docker"`, new: `driver = ¦var.memory > 300 ? "raw_exec" : "docker"`, says: "driver must be written out"},
	{name: "driver by parts", file: docker, old: `driver = "docker"`, new: `driver = ¦join("_", ["raw", "exec"])`, says: "driver raw_exec is not allowed", more: 1},
	{name: "no driver", file: docker, old: "      driver = \"docker\"\n      user", new: "      user", at: "job.nomad.hcl:78:5", says: "driver is missing"},
	{name: "raw_exec", file: docker, old: `driver = "docker"`, new: `driver = ¦"raw_exec"`, says: "driver raw_exec is not allowed"},
	{name: "privileged", file: docker, old: "readonly_rootfs = true", new: "¦privileged = true", says: "root on the node"},
	{name: "privileged by a local", file: docker, old: "readonly_rootfs = true", new: "¦privileged = 1 == 1", says: "root on the node"},
	{name: "privileged for some", file: docker, old: "readonly_rootfs = true", new: "privileged = ¦var.memory > 300", says: "must be written out"},
	{name: "cap_add", file: docker, old: "readonly_rootfs = true", new: `¦cap_add = ["SYS_ADMIN"]`, says: "rights over the node"},
	{name: "devices", file: docker, old: "        mount {", new: "        ¦devices {\n          host_path = \"/dev/sda\"\n        }\n        mount {", says: "devices of the node"},
	{name: "host mount", file: docker, old: "readonly_rootfs = true", new: `¦volumes = ["/:/host"]`, says: "volumes mount paths of the node"},
	{name: "bind of an absolute path", file: docker, old: bindBefore, new: "        mount {\n          type   = \"bind\"\n          source = ¦\"/var/run/docker.sock\"\n          target = \"/x\"\n        }\n        mount {", says: "let a start script copy it"},
	{name: "bind of an own file", file: docker, old: bindBefore, new: "        mount {\n          type   = \"bind\"\n          source = ¦\"secrets/session.key\"\n          target = \"/x\"\n        }\n        mount {", says: "let a start script copy it"},
	{name: "target by a variable", file: docker, old: `"/tmp"`, new: `¦"${var.url == "x" ? "/" : "/tmp"}"`, says: "target must be written out"},
	{name: "docker volume", file: docker, old: `type     = "tmpfs"`, new: `type     = ¦"volume"`, says: "mount of type volume"},
	{name: "network of the host", file: docker, old: "readonly_rootfs = true", new: `¦network_mode = "host"`, says: "out of its own network"},
	{name: "processes of the host", file: docker, old: "readonly_rootfs = true", new: `¦pid_mode = "host"`, says: "processes"},
	{name: "logging", file: docker, old: "        mount {", new: "        ¦logging {\n          type = \"syslog\"\n        }\n        mount {", says: "elsewhere"},
	{name: "unknown key of the driver", file: docker, old: "readonly_rootfs = true", new: `¦readonly = true`, says: "not known to be harmless"},
	{name: "latest", file: docker, old: `"docker.io/example/toy:1.2.3"`, new: `¦"docker.io/example/toy:latest"`, says: "pinned to a full version", more: 1},
	{name: "no tag", file: docker, old: `"docker.io/example/toy:1.2.3"`, new: `¦"registry.example.org:5000/toy"`, says: "pinned to a full version", more: 1},
	{name: "major version only", file: docker, old: `"docker.io/example/toy:1.2.3"`, new: `¦"docker.io/example/toy:9"`, says: "pinned to a full version", more: 1},
	{name: "image by a variable", file: docker, old: `"docker.io/example/toy:1.2.3"`, new: `¦"docker.io/${var.url}/toy:1.2.3"`, says: "it depends on var.url", more: 1},
	{name: "no image", file: docker, old: "        image = \"${var.registry}/helper:4.5.6\"\n", new: "", at: "job.nomad.hcl:138:7", says: "there is no image", more: 1},
	{name: "port of nobody", file: docker, old: `["http"]`, new: `[¦"web"]`, says: "the group has no port web"},

	// Secrets written out.
	{name: "password in env", file: docker, old: `TRUST_PROXY = "true"`, new: `ADMIN_PASSWORD = ¦"correct horse battery"`, says: "the same for every instance"},
	{name: "default password", file: docker, old: `TRUST_PROXY = "true"`, new: `ADMIN_PASSWORD = ¦"testAdmin123"`, says: "everybody knows"},
	{name: "a number everybody knows", file: docker, old: `TRUST_PROXY = "true"`, new: `SIGNING_KEY = ¦"123456"`, says: "everybody knows"},
	{name: "changeme", file: docker, old: `TRUST_PROXY = "true"`, new: `SECRET_KEY = ¦"changeme"`, says: "everybody knows"},
	{name: "token by a function", file: docker, old: `TRUST_PROXY = "true"`, new: `API_TOKEN = ¦join("", ["abc", "def"])`, says: "the same for every instance"},
	{name: "a guessable password", file: docker, old: `TRUST_PROXY = "true"`, new: `DB_PASS = ¦var.job_id`, says: "the same for every instance"},
	{name: "key by its look", file: docker, old: `TRUST_PROXY = "true"`, new: `COOKIES = ¦"9f86d081884c7d659a2feaa0c55ad015"`, says: "looks like a secret"},
	{name: "password in an address", file: docker, old: `TRUST_PROXY = "true"`, new: `DATABASE = ¦"postgres://toy:hunter2@127.0.0.1/toy"`, says: "an address holds a password"},
	{name: "env as a map", file: docker, old: "      env {\n        PUBLIC_URL  = var.url\n        TRUST_PROXY = \"true\"\n        KEY_FILE    = \"/secrets/session.key\"\n      }", new: "      env = {\n        PUBLIC_URL   = var.url\n        \"DB.SECRET\" = ¦\"hunter2\"\n      }", says: "the same for every instance"},
	{name: "password in args", file: docker, old: `"exec toy --port 8080"`, new: `¦"ADMIN_PASSWORD=admin exec toy"`, says: "the same for every instance"},
	{name: "password as a flag", file: docker, old: `["-c",`, new: `["--admin-password", ¦"hunter22", "-c",`, says: "the same for every instance"},
	{name: "password as one word", file: docker, old: `["-c",`, new: `[¦"--db-password=toy", "-c",`, says: "the same for every instance"},
	{name: "secret on the command line", file: docker, old: `["-c",`, new: `[¦"--key=$${SESSION_KEY}", "-c",`, says: "everybody on the node can read"},
	{name: "password in a template", file: docker, old: `ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}`, new: "ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}\n          USER_PASSWORD=¦admin", says: "everybody knows"},
	{name: "password in a settings file", file: docker, old: `TITLE={{ .title`, new: `PASSWORD=¦changeme
          TITLE={{ .title`, says: "everybody knows"},
	{name: "password in a command of the manifest", file: manifest, old: `["toy", "install"]`, new: `["toy", "install", ¦"--password=admin"]`, says: "the same for every instance"},

	// Templates.
	{name: "reads a file", file: docker, old: "SMTP_HOST=", new: "X={{ ¦file \"/etc/passwd\" }}\n          SMTP_HOST=", says: "calls file"},
	{name: "reads the environment", file: docker, old: "SMTP_HOST=", new: "X={{ ¦env \"AWS_SECRET_ACCESS_KEY\" }}\n          SMTP_HOST=", says: "reads the environment"},
	{name: "another's variable", file: docker, old: "SMTP_HOST=", new: "{{ with nomadVar ¦\"nomad/jobs/lyon-pads\" }}X={{ .a }}{{ end }}\n          SMTP_HOST=", says: "not the job's own", more: 1},
	{name: "everybody's variables", file: docker, old: "SMTP_HOST=", new: "{{ range ¦nomadVarList \"nomad/jobs\" }}{{ . }}{{ end }}\n          SMTP_HOST=", says: "calls nomadVarList"},
	{name: "listed safely", file: docker, old: "SMTP_HOST=", new: "{{ range ¦nomadVarListSafe \"nomad/jobs\" }}{{ . }}{{ end }}\n          SMTP_HOST=", says: "calls nomadVarListSafe"},
	{name: "a computed path", file: docker, old: "SMTP_HOST=", new: "{{ with ¦nomadVar (printf \"nomad/jobs/%s\" \"x\") }}{{ end }}\n          SMTP_HOST=", says: "path written out"},
	{name: "a path upwards", file: docker, old: "SMTP_HOST=", new: "{{ with nomadVar ¦\"nomad/jobs/${var.job_id}/../x\" }}{{ end }}\n          SMTP_HOST=", says: "not the job's own"},
	{name: "services of others", file: docker, old: "SMTP_HOST=", new: "{{ range ¦nomadService \"lyon-pads\" }}{{ .Address }}{{ end }}\n          SMTP_HOST=", says: "calls nomadService"},
	{name: "key of Consul", file: docker, old: "SMTP_HOST=", new: "X={{ ¦key \"x\" }}\n          SMTP_HOST=", says: "calls key"},
	{name: "secret of Vault", file: docker, old: "SMTP_HOST=", new: "{{ with ¦secret \"kv/x\" }}{{ end }}\n          SMTP_HOST=", says: "calls secret"},
	{name: "service of Consul", file: docker, old: "SMTP_HOST=", new: "{{ range ¦service \"x\" }}{{ end }}\n          SMTP_HOST=", says: "calls service"},
	{name: "ls", file: docker, old: "SMTP_HOST=", new: "{{ range ¦ls \"x\" }}{{ end }}\n          SMTP_HOST=", says: "calls ls"},
	{name: "plugin", file: docker, old: "SMTP_HOST=", new: "X={{ ¦plugin \"/bin/sh\" }}\n          SMTP_HOST=", says: "calls plugin"},
	{name: "template of a template", file: docker, old: "SMTP_HOST=", new: "X={{ ¦executeTemplate \"x\" }}\n          SMTP_HOST=", says: "calls executeTemplate"},
	{name: "writes a file", file: docker, old: "SMTP_HOST=", new: "{{ \"x\" | ¦writeToFile \"/etc/cron.d/x\" \"\" \"\" \"0644\" }}\n          SMTP_HOST=", says: "calls writeToFile"},
	{name: "in a define", file: docker, old: "{{ with", new: "{{ define \"x\" }}{{ ¦file \"/x\" }}{{ end }}\n          {{ with", says: "calls file"},
	{name: "other delimiters", file: docker, old: "destination = \"secrets/toy.env\"", new: "destination     = \"secrets/toy.env\"\n        left_delimiter  = ¦\"AA\"", says: "must not hold letters", more: 4},
	{name: "in a quoted template", file: docker, old: `{{ .session_key.Value }}{{ end }}"`, new: `{{ .session_key.Value }}{{ ¦file \"/x\" }}{{ end }}"`, says: "calls file"},
	{name: "in a format", file: docker, old: `"{{ with nomadVar \"nomad/jobs/${var.job_id}\" }}{{ .session_key.Value }}{{ end }}"`, new: `¦format("%s", "{{ file \"/x\" }}")`, says: "calls file", more: 1},
	{name: "in a local", file: docker, old: "locals {", new: "locals {\n  text = \"é{{ ¦file \\\"/x\\\" }}\"", old2: "SMTP_HOST=", new2: "${local.text}\n          SMTP_HOST=", says: "calls file", more: 0},
	{name: "template by a choice", file: docker, old: "SMTP_HOST=", new: "X=${var.memory > 300 ? \"{{ file \\\"/x\\\" }}\" : \"\"}\n          SMTP_HOST=", at: "job.nomad.hcl:111:23", says: "data must be written out"},
	{name: "broken template", file: docker, old: "SMTP_HOST=", new: "¦{{ if }}\n          SMTP_HOST=", says: "does not parse"},
	{name: "template from a file", file: docker, old: "destination = \"secrets/toy.env\"", new: "destination = \"secrets/toy.env\"\n        ¦source = \"/etc/shadow\"", says: "not read from a file"},
	{name: "writes to the node", file: docker, old: `"secrets/toy.env"`, new: `¦"/etc/passwd"`, says: "use local/ or secrets/"},
	{name: "writes upwards", file: docker, old: `"secrets/toy.env"`, new: `¦"local/../../x"`, says: "use local/ or secrets/"},
	{name: "writes into a folder", file: docker, old: `"secrets/toy.env"`, new: `¦"secrets/conf/toy.env"`, says: "without folders"},
	{name: "change_script", file: docker, old: "        destination = \"secrets/toy.env\"", new: "        ¦change_script {\n          command = \"/bin/sh\"\n        }\n        destination = \"secrets/toy.env\"", says: "runs a program"},
	{name: "unknown key of the Variable", file: docker, old: ".title.Value", new: "¦.titel.Value", says: `did you mean "title"?`, more: 1},
	{name: "key of a service not needed", file: docker, old: ".title.Value", new: "¦.redis_host.Value", says: `needs = ["redis"]`, more: 1},
	{name: "key by index", file: docker, old: ".title.Value", new: "(index . ¦\"titel\").Value", says: "titel is no secret and no value", more: 1},
	{name: "key of a named Variable", file: docker, old: "SMTP_HOST=", new: "{{ $v := nomadVar \"nomad/jobs/${var.job_id}\" }}X={{ ¦$v.titel.Value | toJSON }}\n          SMTP_HOST=", says: "titel is no secret"},
	{name: "key outside", file: docker, old: "{{ end -}}", new: "{{ end -}}\n          X={{ ¦.title.Value | toJSON }}", says: "is nothing here"},
	{name: "typed text as it is", file: docker, old: "TITLE={{ .title.Value | toJSON }}", new: "TITLE={{ ¦.title.Value }}", says: "people typed title"},
	{name: "two templates, one file", file: docker, old: `"secrets/toy.env"`, new: `"secrets/session.key"`, at: "job.nomad.hcl:122:23", says: "a second template writes"},

	// The job, its group, network, volumes, services.
	{name: "second job", file: docker, old: "job \"toy\" {", new: "job \"first\" {\n  id = var.job_id\n}\n\n¦job \"toy\" {", says: "second job", more: 2},
	{name: "second group", file: docker, old: "  group \"app\" {", new: "  group \"other\" {\n  }\n\n  ¦group \"app\" {", says: "one group", more: 3},
	{name: "count", file: docker, old: "  group \"app\" {", new: "  group \"app\" {\n    count = ¦2", says: "one allocation"},
	{name: "canary", file: docker, old: `healthy_deadline  = "10m"`, new: `¦canary = 1`, says: "canary would run beside"},
	{name: "trusts private addresses", file: docker, old: `PUBLIC_URL  = var.url`, new: "PUBLIC_URL  = var.url\n        PROXIES     = \"¦127.0.0.1 10.0.0.0/8\"", says: "containers of other spaces"},
	{name: "trusts everybody", file: docker, old: `PUBLIC_URL  = var.url`, new: "PUBLIC_URL  = var.url\n        PROXIES     = \"¦::/0\"", says: "containers of other spaces"},
	{name: "update that nothing reads", file: docker, old: `healthy_deadline  = "10m"`, new: `¦auto_revert = true`, says: "frama sets this"},
	{name: "reschedule of a job", file: docker, old: "  group \"app\" {", new: "  ¦reschedule {\n    attempts = 1\n  }\n\n  group \"app\" {", says: "frama sets this"},
	{name: "migrate of a group", file: docker, old: "    update {", new: "    ¦migrate {\n      max_parallel = 1\n    }\n    update {", says: "frama sets this"},
	{name: "spread", file: docker, old: "    update {", new: "    ¦spread {\n      attribute = \"x\"\n    }\n    update {", says: "frama chooses the node"},
	{name: "restart of a task", file: docker, old: "      resources {", new: "      ¦restart {\n        attempts = 1\n      }\n      resources {", says: "in the group only"},
	{name: "mode of restart", file: docker, old: "    update {", new: "    restart {\n      mode = ¦\"delay\"\n    }\n    update {", says: "frama sets the mode"},
	{name: "periodic", file: docker, old: "  group \"app\" {", new: "  ¦periodic {\n    cron = \"@daily\"\n  }\n\n  group \"app\" {", says: "frama keeps the calendar"},
	{name: "system job", file: docker, old: `"service"`, new: `¦"system"`, says: "type service"},
	{name: "namespace", file: docker, old: "  group \"app\" {", new: "  ¦namespace = \"default\"\n\n  group \"app\" {", says: "frama sets this"},
	{name: "priority", file: docker, old: "  group \"app\" {", new: "  priority = ¦90\n\n  group \"app\" {", says: "above 50"},
	{name: "a certain node", file: docker, old: "    volume \"data\" {", new: "    constraint {\n      attribute = ¦\"${node.unique.id}\"\n      value     = \"x\"\n    }\n\n    volume \"data\" {", says: "frama's to say"},
	{name: "artifact", file: docker, old: "      resources {", new: "      ¦artifact {\n        source = \"https://example.org/x.tar\"\n      }\n\n      resources {", says: "nobody pinned"},
	{name: "identity", file: docker, old: "      resources {", new: "      ¦identity {\n        env = true\n      }\n\n      resources {", says: "token of Nomad"},
	{name: "vault", file: docker, old: "      resources {", new: "      ¦vault {\n      }\n\n      resources {", says: "Vault is not available"},
	{name: "poststop", file: docker, old: "      resources {", new: "      lifecycle {\n        hook = ¦\"poststop\"\n      }\n\n      resources {", says: "runs on after"},
	{name: "whole cores", file: docker, old: "        cpu    = local.helper_cpu", new: "        ¦cores  = 1\n        cpu    = local.helper_cpu", says: "cores cannot be shared"},
	{name: "more than reserved", file: docker, old: "memory = local.helper_memory\n      }", new: "memory = var.memory\n      }", at: "job.nomad.hcl:47:3", says: "the instance reserved"},
	{name: "another static port", file: docker, old: "      port \"http\" {", new: "      port \"ssh\" {\n        ¦static = 22\n      }\n      port \"http\" {", says: "port ssh is static"},
	{name: "a port of its own", file: docker, old: "static = var.port", new: "static = ¦8080", says: "which frama reserved", more: 1},
	{name: "host_network", file: docker, old: "        to     = 8080", new: "        to     = 8080\n        ¦host_network = \"public\"", says: "the node's own address"},
	{name: "network of the node", file: docker, old: `mode = "bridge"`, new: `mode = ¦"host"`, says: "shares the node's network"},
	{name: "no port http", file: docker, old: `port "http" {`, new: `port "web" {`, at: "job.nomad.hcl:47:3", says: `no port "http"`, more: 3},
	{name: "another's volume", file: docker, old: "source = var.volume", new: "source = ¦\"lyon-pads-data\"", says: "not the instance's own", more: 3},
	{name: "the machine's programs in production", file: docker, old: "    volume \"data\" {", new: "    volume \"usr\" {\n      type      = \"host\"\n      source    = ¦\"frama-usr\"\n      read_only = true\n    }\n\n    volume \"data\" {", says: "not the instance's own", more: 1},
	{name: "type of a volume", file: docker, old: "source = var.volume", new: "source = var.volume\n      ¦type   = \"host\"", says: "leave type out"},
	{name: "many writers", file: docker, old: "source = var.volume", new: "source = var.volume\n      ¦access_mode = \"multi-node-multi-writer\"", says: "leave access_mode out"},
	{name: "volume mounted nowhere", file: docker, old: "      volume_mount {\n        volume      = \"data\"\n        destination = \"/data\"\n      }\n", new: "", at: "job.nomad.hcl:56:12", says: "no task mounts the volume data"},
	{name: "mount of an unknown volume", file: docker, old: `volume      = "data"`, new: `volume      = ¦"date"`, says: `did you mean "data"?`, more: 1},
	{name: "spreading mount", file: docker, old: "destination = \"/data\"", new: "destination = \"/data\"\n        propagation_mode = ¦\"bidirectional\"", says: "spread to the node"},
	{name: "no health check", file: docker, old: "      check {\n        type     = \"http\"\n        path     = \"/health\"\n        interval = \"10s\"\n        timeout  = \"5s\"\n      }\n", new: "", at: "job.nomad.hcl:43:1", says: "no service of the job has a check"},
	{name: "check without a path", file: docker, old: "        path     = \"/health\"\n", new: "", at: "job.nomad.hcl:70:7", says: "path is missing in check"},
	{name: "check by a script", file: docker, old: `type     = "http"`, new: `type     = ¦"script"`, says: "http or tcp"},
	{name: "check without an interval", file: docker, old: "        interval = \"10s\"\n", new: "", at: "job.nomad.hcl:70:7", says: "interval is missing in check"},
	{name: "service of Consul's", file: docker, old: `provider = "nomad"`, new: `provider = ¦"consul"`, says: "there is no Consul"},
	{name: "service without a provider", file: docker, old: "      provider = \"nomad\"\n", new: "", at: "job.nomad.hcl:65:5", says: `provider = "nomad" is missing`},
	{name: "service on an unknown port", file: docker, old: `port     = "http"`, new: `port     = ¦"htpp"`, says: `did you mean "http"?`},

	// Words that nobody knows, values of the wrong type.
	{name: "unknown key", file: docker, old: "kill_timeout", new: "¦kil_timeout", says: `did you mean "kill_timeout"?`},
	{name: "unknown block", file: docker, old: "    update {", new: "    ¦updaet {", says: `did you mean "update"?`},
	{name: "key as a block", file: docker, old: "      kill_timeout = \"30s\"", new: "      ¦kill_timeout {\n      }", says: "write kill_timeout = …"},
	{name: "block as a key", file: docker, old: "      config {\n        image = \"${var.registry}/helper:4.5.6\"\n      }", new: "      ¦config = {}", says: "is a block", more: 1},
	{name: "no duration", file: docker, old: `"30s"`, new: `¦"30 seconds"`, says: "must be a duration"},
	{name: "no number", file: docker, old: "to     = 8080", new: "to     = ¦\"web\"", says: "must be a number"},
	{name: "half a number", file: docker, old: "to     = 8080", new: "to     = ¦80.5", says: "whole number"},
	{name: "no text", file: docker, old: `path     = "/health"`, new: `path     = ¦true`, says: "a text in quotes"},
	{name: "no boolean", file: docker, old: "env         = true", new: "env         = ¦\"perhaps\"", says: "true or false"},
	{name: "no list", file: docker, old: "  group \"app\" {", new: "  datacenters = ¦\"dc1\"\n\n  group \"app\" {", says: "a list of texts"},
	{name: "no HCL", file: docker, old: "kill_timeout = \"30s\"", new: "kill_timeout = ¦= \"30s\"", says: "Invalid expression"},
	{name: "unclosed", file: docker, old: "job \"toy\" {", new: "job \"toy\" ¦= {", says: "equals sign"},

	// What the manifest says otherwise.
	{name: "task of another name", file: docker, old: `task "helper"`, new: `task ¦"helpers"`, says: `did you mean "helper"?`, more: 1},
	{name: "task that is not there", file: manifest, old: `tasks   = ["toy", "helper"]`, new: `tasks   = ["toy", "helper", ¦"worker"]`, says: "the job has no task worker"},
	{name: "another image", file: docker, old: `"docker.io/example/toy:1.2.3"`, new: `¦"docker.io/example/toy:1.2.4"`, says: "not that of the manifest"},
	{name: "own image from elsewhere", file: docker, old: `"${var.registry}/helper:4.5.6"`, new: `¦"docker.io/example/helper:4.5.6"`, says: "${var.registry}/helper:4.5.6", more: 1},
	{name: "image of another version", file: manifest, old: `version = "1.2.3"`, new: `version = "1.3.0"`, at: "app.hcl:41:15", says: "not of version 1.3.0"},
	{name: "no image in the manifest", file: manifest, old: "image \"helper\" {\n  reference = \"helper:4.5.6\"\n  build     = \"https://example.org/helper\"\n}\n", new: "", at: "job.nomad.hcl:139:17", says: `no image "helper"`},
	{name: "secret never used", file: manifest, old: "value \"title\"", new: "secret ¦\"spare_key\" {\n  kind = \"permanent\"\n}\n\nvalue \"title\"", says: "secret spare_key is never used"},
	{name: "value never used", file: manifest, old: "value \"title\"", new: "value ¦\"language\" {\n  from = \"language\"\n}\n\nvalue \"title\"", says: "value language is never used"},
	{name: "need never used", file: manifest, old: `["postgres", "smtp"]`, new: `["postgres", "smtp", ¦"redis"]`, says: "uses no key of redis"},
}

// spoil lays out the good entry with one thing changed, and returns its folder and the place of the mark.
func spoil(t *testing.T, file string, changes ...string) (dir, place string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "toy")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{manifest, docker} {
		text, err := os.ReadFile(filepath.Join("testdata", "toy", name))
		if err != nil {
			t.Fatal(err)
		}
		whole := string(text)
		if name == file {
			for n := 0; n < len(changes); n += 2 {
				if !strings.Contains(whole, changes[n]) {
					t.Fatalf("the case spoils nothing: %s has no %q", file, changes[n])
				}
				whole = strings.Replace(whole, changes[n], changes[n+1], 1)
			}
			if before, after, marked := strings.Cut(whole, mark); marked {
				whole = before + after
				line := before[strings.LastIndex(before, "\n")+1:]
				place = fmt.Sprintf("%s:%d:%d", file, strings.Count(before, "\n")+1, utf8.RuneCountInString(line)+1)
			}
		}
		write(t, filepath.Join(dir, name), whole)
	}
	return dir, place
}

// lintAlone checks an entry with the embedded kinds and plans, and without the embedded applications.
func lintAlone(t *testing.T, dir string) Diagnostics {
	t.Helper()
	s, err := sourceNamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, found := gather([]source{{origin: Embedded, plans: embedded, apps: fstest.MapFS{}}, s})
	more, err := c.Lint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	found = append(found, more...)
	found.sort()
	return found
}

func TestTheGoodEntryIsGood(t *testing.T) {
	dir, _ := spoil(t, "")
	if found := lintAlone(t, dir); len(found) > 0 {
		t.Error(found)
	}
}

// What looks like a mistake and is none: lint would be switched off by those it wrongs.
func TestHarmlessEntriesPass(t *testing.T) {
	const env, line = `TRUST_PROXY = "true"`, "SMTP_HOST="
	add := func(text string) []string { return []string{docker, line, text + "\n          " + line} }
	cases := map[string][]string{
		"a word by the plan": {docker, "locals {", "variable \"plan\" {\n  type = string\n}\n\nlocals {\n  quota = lookup({ starter = \"1 GB\" }, var.plan, \"5 GB\")",
			line, "QUOTA=${local.quota}\n          " + line},
		"a number by the size":       add("WORKERS=${max(1, floor(var.memory / 128))}"),
		"a choice of the template":   add(`{{ if eq .smtp_port.Value "465" }}SMTP_SECURE="true"{{ end }}`),
		"the Variable by name":       add(`{{ $v := nomadVar "nomad/jobs/${var.job_id}" }}FROM={{ $v.smtp_from.Value | toJSON }}`),
		"the Variable by index":      add(`FROM={{ (index . "smtp_from").Value | toJSON }}`),
		"an address put together":    add(`URL={{ printf "redis://:%s@%s" .db_password.Value .db_host.Value | toJSON }}`),
		"a secret in an address":     add(`URL="postgres://{{ .db_user.Value }}:{{ .db_password.Value }}@db/x"`),
		"what Nomad knows":           add(`{{ env "NOMAD_PORT_http" }}`),
		"a template in a local":      {docker, "locals {", "locals {\n  text = \"A=b\"", line, "${local.text}\n          " + line},
		"a file of a password":       {docker, env, `PASSWORD_FILE = "/srv/toy/session.key"`},
		"a length of a password":     {docker, env, `PASSWORD_MIN_LENGTH = "12"`},
		"a lifetime of a token":      {docker, env, `TOKEN_TTL = "3600"`},
		"a switch":                   {docker, env, `ENABLE_API_TOKEN = "true"`},
		"no password":                {docker, env, `SMTP_PASSWORD = ""`},
		"a public key's name":        {docker, env, `KEYBOARD = "fr"`},
		"a variable of the shell":    {docker, `"exec toy --port 8080"`, `"exec toy --password \"$ADMIN_PASSWORD\""`},
		"a name Nomad fills in":      {docker, env, `ARCH = "${attr.cpu.arch}-${NOMAD_ALLOC_ID}-${node.class}"`},
		"braces of the shell":        {docker, `"exec toy --port 8080"`, `"exec toy --home $${HOME:-/data}"`},
		"tmpfs":                      {docker, "        mount {", "        mount {\n          type   = \"tmpfs\"\n          target = \"/tmp\"\n          tmpfs_options {\n            size = 1048576\n          }\n        }\n        mount {"},
		"env as a map":               {docker, "      env {\n", "      env = {\n"},
		"privileged switched off":    {docker, "readonly_rootfs = true", "privileged = false"},
		"one allocation, written so": {docker, "  group \"app\" {", "  group \"app\" {\n    count = 1"},
		"a port left to Nomad":       {docker, "      port \"http\" {", "      port \"metrics\" {\n        to = 9000\n      }\n      port \"http\" {"},
		"a kind of node":             {docker, "    volume \"data\" {", "    constraint {\n      attribute = \"${attr.cpu.arch}\"\n      value     = \"amd64\"\n    }\n    volume \"data\" {"},
		"a migration before":         {docker, "      driver = \"docker\"\n\n", "      driver = \"docker\"\n      lifecycle {\n        hook = \"prestart\"\n      }\n"},
	}
	for name, changes := range cases {
		t.Run(name, func(t *testing.T) {
			dir, _ := spoil(t, changes[0], changes[1:]...)
			if found := lintAlone(t, dir); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

func TestBadEntriesAreRefused(t *testing.T) {
	for _, c := range badEntries {
		t.Run(c.name, func(t *testing.T) {
			dir, place := spoil(t, c.file, c.old, c.new, c.old2, c.new2)
			if place == "" {
				place = c.at
			}
			found := lintAlone(t, dir)
			want := filepath.Join(dir, place) + ": "
			for _, d := range found {
				if strings.HasPrefix(d.String(), want) && strings.Contains(d.Message, c.says) {
					if len(found) > 1+c.more {
						t.Errorf("%d findings for one mistake:\n%v", len(found), found)
					}
					return
				}
			}
			t.Errorf("want %s…%s\n%v", want, c.says, found)
		})
	}
}

// One file with ten mistakes: all of them in one go, in the order of the lines.
func TestTenMistakesComeAtOnce(t *testing.T) {
	dir, _ := spoil(t, docker,
		"default = 200", "default = \"many\"",
		"mode = \"bridge\"", "mode = \"host\"",
		"source = var.volume", "source = var.volume\n      access_mode = \"multi-node-multi-writer\"",
		"provider = \"nomad\"", "provider = \"consul\"",
		"        interval = \"10s\"\n", "",
		"readonly_rootfs = true", "privileged = true",
		"command         = \"sh\"", "cap_add = [\"ALL\"]",
		"TRUST_PROXY = \"true\"", "ADMIN_PASSWORD = \"admin\"",
		".title.Value", ".titel.Value",
		"kill_timeout", "kil_timeout",
	)
	want := []string{
		"21:13: the default of variable cpu", "49:14: network mode host", "58:7: volume data says how it is mounted", "69:18: provider",
		"71:7: interval is missing", "85:9: a privileged container", "86:9: cap_add", "104:26: ADMIN_PASSWORD", "113:20: titel", "132:7: unknown key kil_timeout",
	}
	found := lintAlone(t, dir)
	var got []string
	for _, d := range found {
		if filepath.Base(d.Path) == docker {
			got = append(got, strings.TrimPrefix(d.String(), d.Path+":"))
		}
	}
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("want %s…\n%v", want[i], found)
		}
	}
	if len(got) != len(want) {
		t.Error(found)
	}
}

// Files that are no HCL do not hide what is wrong in the rest of them, nor in the other files.
func TestMistakesOfAllFilesComeAtOnce(t *testing.T) {
	dir, _ := spoil(t, docker, "kill_timeout = \"30s\"", "kill_timeout = = \"30s\"", "driver = \"docker\"", "driver = \"raw_exec\"")
	text := func(file, old, new string) {
		whole, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.Contains(string(whole), old) {
			t.Fatal(err, old)
		}
		write(t, filepath.Join(dir, file), strings.Replace(string(whole), old, new, 1))
	}
	text(manifest, "\"pads\"", "\"pad\"")
	text(manifest, "license    = \"MIT\"", "license    = \"M I T\"")
	found := lintAlone(t, dir)
	for _, want := range []string{"app.hcl:2:10", "app.hcl:15:14", "job.nomad.hcl:79:16", "job.nomad.hcl:132:22"} {
		if !strings.Contains(found.Error(), filepath.Join(dir, want)+": ") {
			t.Errorf("%s is missing in\n%v", want, found)
		}
	}
	if len(found) != 4 {
		t.Error(found)
	}
}

func TestLintFoldersReportsTheNamedOnly(t *testing.T) {
	bad, _ := spoil(t, docker, "readonly_rootfs = true", "privileged = true")
	configured := filepath.Dir(bad)
	alone, _ := spoil(t, "")
	if found, err := LintFolders(t.Context(), []string{configured}, []string{alone}, nil); err != nil || len(found) != 0 {
		t.Error(found, err)
	}
	for _, dir := range []string{bad, configured, bad + "/"} { // one application, or a folder of them
		found, err := LintFolders(t.Context(), nil, []string{dir}, nil)
		if err != nil || len(found) != 1 || found[0].Line != 85 || found[0].Path != filepath.Join(bad, docker) {
			t.Error(dir, found, err)
		}
	}
	t.Chdir(bad)
	if found, err := LintFolders(t.Context(), nil, []string{"."}, nil); err != nil || len(found) != 1 || filepath.Base(found[0].Path) != docker {
		t.Error(found, err)
	}
	for _, dir := range []string{"nowhere", t.TempDir()} {
		if _, err := LintFolders(t.Context(), nil, []string{dir}, nil); err == nil {
			t.Error(dir, "passed")
		}
	}
}

// What the cluster says of a line that is known already, or says again without a place, is not printed twice.
func TestTheClusterSaysNothingTwice(t *testing.T) {
	dir, _ := spoil(t, docker, "readonly_rootfs = true", "privileged = true")
	found, err := LintFolders(t.Context(), nil, []string{dir}, func(context.Context, JobFile) ([]Finding, error) {
		return []Finding{{Line: 85, Message: "in other words"}, {Message: "group app, task toy: a privileged container is root on the node"},
			{Line: 3, Message: "something new"}}, nil
	})
	if err != nil || len(found) != 2 || found[0].Message != "something new" || found[1].Column != 9 {
		t.Error(found, err)
	}
}

// Whatever is in the files, lint answers.
func TestLintSurvivesAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	bits := []string{"", "{", "}", "\"", "${", "%{", "{{", "}}", "null", "[]", "{}", "\n", "<<-EOT\n", "EOT\n", "local.x", "var.", "é", "1 / 0", "job \"x\" {"}
	for range 300 {
		dir, _ := spoil(t, "")
		file := filepath.Join(dir, []string{manifest, docker}[random.IntN(2)])
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + random.IntN(3) {
			at := random.IntN(len(text))
			end := min(len(text), at+random.IntN(12))
			text = slices.Concat(text[:at], []byte(bits[random.IntN(len(bits))]), text[end:])
		}
		write(t, file, string(text))
		lintAlone(t, dir)
	}
}
