package catalogue

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	probePath  = regexp.MustCompile(`^/[^\s#]*$`)
	dottedPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	seriesName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`) // of Prometheus
	filesGlob  = regexp.MustCompile(`^[A-Za-z0-9._@+=,/*?\[\]-]+$`)
	selectOnly = regexp.MustCompile(`(?i)^\s*(select|with)\b`)
	sqlText    = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	sqlWrites  = regexp.MustCompile(`(?i)\b(insert|update|delete|merge|into|drop|alter|create|truncate|grant|revoke|copy|call)\b`)
)

// usages reads how metrics are measured. known are the keys of the instance's Nomad Variable.
func (r *reader) usages(run *Run, known []string) {
	r.each("usage", true, func(label string, b *reader) {
		u := Usage{Metric: label}
		if problem := oneOf(Metrics()...).problem(label); problem != "" {
			b.diags.at(b.where, "a metric %s", problem)
		}
		u.From = b.text("from", oneOf(Probes()...))
		u.Path = b.optional("path", like(probePath, "must start with /"), that(filled(known)))
		u.Field = b.optional("field", that(fieldOf(u.From)))
		u.Query = b.optional("query", check{"one SELECT statement", oneSelect})
		u.Pattern = b.optional("pattern", check{"relative to the volume, with * ? and [a-z] for names", volumeGlob})
		if _, given := b.body.Attributes["task"]; given || b.record != nil {
			u.Task = b.task(run)
		}
		u.Command = b.words("command")
		b.only(u.From, map[string][]string{
			"http-json": {"path", "field"}, "prometheus": {"path", "field"}, "exec": {"task", "command"}, "sql": {"query"}, "files": {"pattern"},
		})
		if attr, given := b.body.Attributes["command"]; given && u.From == "exec" && len(u.Command) == 0 {
			b.diags.at(attr.Expr.Range(), "command is empty: it has to print a number")
		}
		if u.From == "sql" && !slices.Contains(run.Needs, "postgres") && !slices.Contains(run.Needs, "mysql") {
			b.diags.at(b.where, "needs names neither postgres nor mysql: there is no database to ask")
		}
		run.Usage = append(run.Usage, u)
	})
}

// only wants the keys that go with the word, and none of the others.
func (r *reader) only(word string, keys map[string][]string) {
	if keys[word] == nil {
		return // complained about already, or the reference is being written
	}
	r.attrs = append(r.attrs, "task")
	for _, key := range []string{"path", "field", "task", "command", "query", "pattern"} {
		attr, given := r.body.Attributes[key]
		switch wanted := slices.Contains(keys[word], key); {
		case wanted && !given:
			r.missing(key)
		case given && !wanted:
			r.diags.at(attr.NameRange, "%s has no meaning with from = %q", key, word)
		}
	}
}

// fieldOf checks where in an answer the number stands.
func fieldOf(from string) func(s string) string {
	return func(s string) string {
		switch {
		case from == "http-json" && !dottedPath.MatchString(s):
			return "must be a dotted path in the answer, as data.totalPads"
		case from == "prometheus" && !seriesName.MatchString(s):
			return "must be the name of a metric, as app_users_total, without labels"
		}
		return ""
	}
}

// oneSelect wants a statement that only reads. It is asked in a transaction that can only read, too.
func oneSelect(query string) string {
	bare := sqlText.ReplaceAllString(query, "''")
	switch {
	case strings.Contains(query, ";"):
		return "must be one statement, without a semicolon"
	case strings.Contains(bare, "--"), strings.Contains(bare, "/*"):
		return "must be without comments: they belong to the manifest"
	case !selectOnly.MatchString(query):
		return "must begin with SELECT or WITH"
	}
	if word := sqlWrites.FindString(bare); word != "" {
		return "must only read, and has the word " + word
	}
	return ""
}

// volumeGlob wants a pattern of names below the volume, which no shell ever sees as more than that.
func volumeGlob(pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "/"):
		return "must be relative to the volume, without a slash at its start"
	case slices.Contains(strings.Split(pattern, "/"), ".."):
		return "must stay below the volume: no .."
	case strings.Contains(pattern, "**"):
		return "has **, which does not reach into folders: write one * for each level"
	case strings.ContainsFunc(pattern, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }):
		return "must be without blanks"
	case !filesGlob.MatchString(pattern):
		return "must hold letters, digits, . _ - + = @ , and / beside * ? and [a-z]"
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return "must be a pattern of names: a bracket is open"
	}
	return ""
}
