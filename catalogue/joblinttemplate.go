package catalogue

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// quoting are template functions whose result holds nothing that a configuration file could take for more than a text.
var quoting = []string{"toJSON", "toJSONPretty", "toYAML", "toTOML", "base64Encode", "base64URLEncode", "sprig_b64enc", "sha256Hex",
	"hmacSHA256Hex", "sprig_sha256sum", "urlquery", "len"}

// template checks one template of a task and returns where it writes.
func (l *jobLint) template(b *hclsyntax.Block) string {
	path, at, ok := l.plainText(b, "destination")
	if ok && !TemplateDestination(path) {
		l.at(at, "a template writes to %q: use local/ or secrets/ and a name, without folders", path)
	}
	if mode, at, ok := l.plainText(b, "change_mode"); ok && !slices.Contains([]string{"restart", "signal", "noop"}, mode) {
		l.at(at, "change_mode must be restart, signal or noop, not %q", mode)
	}
	if _, at, ok := l.text(b, "data"); ok && !l.values.inert(b.Body.Attributes["data"].Expr, 0) {
		l.at(at, "data must be written out: it may hold whole variables, and words chosen by them, but no template that depends on them")
		l.unread = true
	} else if ok {
		l.data(b, at)
	} else {
		l.unread = true
	}
	return path
}

// data checks the text of a template, and places what it finds on the lines of the heredoc.
func (l *jobLint) data(b *hclsyntax.Block, whole hcl.Range) {
	data, ok := l.values.mapped(b.Body.Attributes["data"].Expr)
	if !ok {
		l.unread = true
		return
	}
	at := func(offset int, format string, args ...any) {
		pos := l.values.place(data, offset)
		l.at(hcl.Range{Filename: whole.Filename, Start: pos, End: pos}, format, args...)
	}
	left, right := l.delimiter(b, "left_delimiter", "{{"), l.delimiter(b, "right_delimiter", "}}")
	found := InspectTemplate(data.string, left, right, "nomad/jobs/"+imaginedID)
	for _, p := range found.Problems {
		at(p.Offset, "%s", strings.ReplaceAll(p.Reason, imaginedID, "${var.job_id}"))
	}
	l.unread = l.unread || found.Broken
	keys := l.knownKeys()
	env := l.boolean(b, "env")
	for _, k := range found.Keys {
		from, known := keys[k.Key]
		switch {
		case k.Outside:
			at(k.Offset, `.%s is nothing here: put it inside {{ with nomadVar "nomad/jobs/${var.job_id}" }} … {{ end }}`, k.Key)
		case !known:
			at(k.Offset, "%s is no secret and no value of the manifest%s%s", k.Key, l.keyOfNeed(k.Key),
				didYouMean(k.Key, slices.Sorted(maps.Keys(keys))))
		case from == typedByPeople && k.Printed && (env && !slices.Contains(quoting, k.Filter) || k.Filter == ""):
			at(k.Offset, "people typed %s: quote it for the file it goes to, as {{ .%s.Value | toJSON }}", k.Key, k.Key)
		}
		l.keys[k.Key] = true
	}
	for _, s := range secretLines(data.string, left, env) {
		at(s.offset, "%s", s.problem)
	}
}

// delimiter is what opens or closes an action. One made of what words are made of could come out of a variable.
func (l *jobLint) delimiter(b *hclsyntax.Block, name, usual string) string {
	s, at, ok := l.plainText(b, name)
	if !ok || s == "" {
		return usual
	}
	if strings.ContainsFunc(s, func(r rune) bool { return tameText.MatchString(string(r)) }) {
		l.at(at, "%s must not hold letters, digits or blanks", name)
	}
	return s
}

// typedByPeople is where values come from, which may hold any character.
const typedByPeople = "value"

// knownKeys lists the keys of the instance's Nomad Variable, and where they come from.
func (l *jobLint) knownKeys() map[string]string {
	keys := map[string]string{}
	for _, need := range l.app.Run().Needs {
		for _, key := range BackingKeys()[need] {
			keys[key] = need
		}
	}
	for _, s := range l.app.Secrets {
		keys[s.Name] = "secret"
	}
	for _, v := range l.app.Values {
		keys[v.Name] = typedByPeople
	}
	if setting := l.app.Run().Enforce.Setting; setting != "" {
		keys[setting] = settingTag
	}
	return keys
}

// keyOfNeed says which backing service a key would come from.
func (l *jobLint) keyOfNeed(key string) string {
	for _, need := range slices.Sorted(maps.Keys(BackingKeys())) {
		if slices.Contains(BackingKeys()[need], key) {
			return "; it would come with needs = [\"" + need + "\"]"
		}
	}
	return ""
}
