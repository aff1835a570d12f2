package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// recorder notes what the readers of manifests ask for, so that the reference is what the code does. A nil recorder
// notes nothing.
type recorder struct {
	path string // of blocks, dotted
	keys *[]Key
}

// Key is one key or block of a manifest, as the reference shows it.
type Key struct {
	Path     string // dotted: health.path
	Type     string // "text", "number", …, or the head of a block
	Required bool
	Rules    []string
}

func (c *recorder) key(name, kind string, required bool, checks []check) {
	if c == nil {
		return
	}
	k := Key{Path: strings.TrimPrefix(c.path+"."+name, "."), Type: kind, Required: required}
	for _, one := range checks {
		if one.says != "" {
			k.Rules = append(k.Rules, strings.TrimPrefix(strings.TrimPrefix(one.says, "must be "), "must "))
		}
	}
	if !slices.ContainsFunc(*c.keys, func(known Key) bool { return known.Path == k.Path }) {
		*c.keys = append(*c.keys, k)
	}
}

// describe records a block and, by reading an empty one, what may be in it.
func (r *reader) describe(kind string, labelled, required bool, read func(label string, b *reader)) {
	head := kind + " { … }"
	label := map[string]string{"check": "write"}[kind]
	if labelled {
		head = kind + ` "…" { … }`
	}
	r.record.key(kind, head, required, nil)
	if saidElsewhere(r.record.path, kind) {
		return
	}
	sub := blank(strings.TrimPrefix(r.record.path+"."+kind, "."), r.record.keys)
	read(label, sub)
}

// saidElsewhere reports whether the keys of a block are listed already: all requests have those of checks, and each act those of
// the first.
func saidElsewhere(path, kind string) bool {
	return kind == "request" && path != "check" || path == "retain" || path == "enforce" && kind != "stop"
}

func blank(path string, keys *[]Key) *reader {
	return &reader{body: &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}, diags: &Diagnostics{}, where: hcl.Range{},
		record: &recorder{path: path, keys: keys}}
}

// ManifestKeys lists what app.hcl may say, in the order the code reads it.
func ManifestKeys() []Key {
	var keys []Key
	readManifest(blank("", &keys), "")
	for i, k := range keys {
		if k.Path == "setup.task" || k.Path == "usage.task" || k.Path == "enforce.stop.task" {
			keys[i].Required = false // only where there is a command
		}
	}
	return keys
}

// KindKeys and PlanKeys list what kinds.hcl and plans.hcl may say.
func KindKeys() []Key {
	var keys []Key
	readKindBlocks(blank("", &keys))
	return keys
}

// PlanKeys lists what plans.hcl may say.
func PlanKeys() []Key {
	var keys []Key
	readPlanBlocks(blank("", &keys))
	return keys
}

// Reference is the page of every key of the catalogue's files, in Markdown.
func Reference() string {
	meanings := keyMeanings()
	var b strings.Builder
	b.WriteString(referenceHead)
	table := func(title, prefix string, keys []Key) {
		fmt.Fprintf(&b, "\n## %s\n\n| key | value | | meaning |\n|---|---|---|---|\n", title)
		for _, k := range keys {
			need := ""
			if k.Required {
				need = "required"
			}
			value := k.Type
			if strings.Contains(value, "{") {
				value = "`" + value + "`"
			}
			if len(k.Rules) > 0 {
				value += ": " + strings.Join(k.Rules, "; ")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Path, cell(value), need, cell(meanings[prefix+k.Path]))
		}
	}
	table("app.hcl", "", ManifestKeys())
	table("kinds.hcl", "kinds.", KindKeys())
	table("plans.hcl", "plans.", PlanKeys())
	b.WriteString("\n## Variables of the job file\n\nA job declares those it uses, with exactly this type.\n\n| variable | type |\n|---|---|\n")
	variables := JobVariables()
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, variables[name])
	}
	b.WriteString("\n## Keys of the Nomad Variable\n\nA job finds in `nomad/jobs/<job_id>` its secrets, its values, and for each service it needs:\n\n| needs | keys |\n|---|---|\n")
	for _, service := range Services() {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", service, strings.Join(BackingKeys()[service], "`, `"))
	}
	b.WriteString(referenceTail)
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

const referenceHead = `# Reference of the catalogue's files

Generated from the code that reads them (` + "`go test ./catalogue -run Reference -update`" + `): do not edit.

Values are literals: there are no variables and no functions. A key nobody knows is refused, with file, line and column,
and all mistakes of all files are reported at once (` + "`frama catalogue lint`" + `).
`

const referenceTail = `
` + "`db_sslmode`" + ` says how the declared server wants to be connected to, in PostgreSQL's words: ` + "`disable`" + `, ` + "`require`" + ` (encrypted, without a look at
the certificate), ` + "`verify-ca`" + ` or ` + "`verify-full`" + `. ` + "`db_ca`" + ` is the authority of the server's certificate (PEM) with the last two, and empty
otherwise. A template writes it to a file, as ` + "`{{ .db_ca.Value }}`" + ` in ` + "`secrets/db-ca.pem`" + `.

` + "`ingress`" + ` holds the addresses and ranges of the ingress nodes (` + "`edge.addresses`" + ` of the configuration), separated by spaces: what they say in
X-Forwarded-For is true, what others say is not. Where an application wants them otherwise: ` + "`replace(var.ingress, \" \", \",\")`" + ` or
` + "`jsonencode(split(\" \", var.ingress))`" + `. A job that declares it is not registered on a host that names no address.
`
