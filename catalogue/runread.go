package catalogue

import (
	"regexp"
	"slices"
	"strings"
)

var (
	taskName    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	extension   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	imageName   = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+:[A-Za-z0-9._-]+$`)
	ownImage    = regexp.MustCompile(`^[a-z0-9._-]+(/[a-z0-9._-]+)*:[A-Za-z0-9._-]+$`)
	imageDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	placeholder = regexp.MustCompile(`\{([a-z][a-z0-9_]*)\}`)
	requestPath = regexp.MustCompile(`^(/|\{)[^\s#]*$`)
	headerName  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // a token of RFC 9110
)

// run reads how the application runs. known are the keys of the instance's Nomad Variable. A retired one need not say it.
func (r *reader) run(known []string, retired bool) Run {
	var run Run
	run.Version = r.text("version", like(version, "must be a full version, as 3.3.1"))
	run.Tasks = r.list("tasks", like(taskName, "must hold names of tasks"))
	if len(run.Tasks) == 0 && !retired {
		r.missing("tasks")
	}
	r.needs(&run)
	for _, need := range run.Needs {
		known = append(known[:len(known):len(known)], BackingKeys()[need]...)
	}
	health := func(b *reader) {
		run.Health.Path = b.text("path", like(urlPath, "must be a path that starts with /"))
		run.Health.Status = b.number("status", 200, 399, 200)
	}
	if retired {
		r.each("health", false, func(_ string, b *reader) { health(b) })
	} else {
		r.one("health", health)
	}
	run.Volume = Volume{UID: nobody, GID: nobody}
	r.each("volume", false, func(_ string, b *reader) {
		run.Volume = Volume{UID: b.number("uid", 0, 65535, -1), GID: b.number("gid", 0, 65535, -1)}
	})
	r.images(&run)
	r.setups(&run, known)
	r.checks(&run, known)
	r.usages(&run, known)
	r.enforce(&run, known)
	r.retains(&run, known)
	return run
}

// needs reads which backing services are needed, and what of them.
func (r *reader) needs(run *Run) {
	run.Needs = r.list("needs", oneOf(Services()...))
	only := func(service string, b *reader) {
		if !slices.Contains(run.Needs, service) {
			b.diags.at(b.where, "needs does not name %s", service)
		}
	}
	if slices.Contains(run.Needs, "postgres") && slices.Contains(run.Needs, "mysql") {
		r.diags.at(r.body.Attributes["needs"].Expr.Range(), "needs names both postgres and mysql: they share the keys db_host, db_name…")
	}
	r.each("postgres", false, func(_ string, b *reader) {
		only("postgres", b)
		run.Postgres.Version = b.number("version", 9, 99, 0)
		run.Postgres.Extensions = b.list("extensions", like(extension, "must hold names of extensions"))
	})
	r.each("mysql", false, func(_ string, b *reader) {
		only("mysql", b)
		run.MySQL.Charset = b.text("charset", oneOf("utf8mb4", "utf8mb3", "latin1"))
	})
	r.each("redis", false, func(_ string, b *reader) {
		only("redis", b)
		run.Redis.Durable = b.flag("durable", true)
	})
}

// task reads the name of one of the job's tasks.
func (r *reader) task(run *Run) string {
	return r.text("task", check{"one of tasks", func(s string) string {
		if !slices.Contains(run.Tasks, s) {
			return "names no task of tasks: " + strings.Join(run.Tasks, ", ") + didYouMean(s, run.Tasks)
		}
		return ""
	}})
}

func (r *reader) images(run *Run) {
	run.Images = map[string]Image{}
	r.each("image", true, func(label string, b *reader) {
		if !slices.Contains(run.Tasks, label) {
			b.diags.at(b.where, "there is no task %s in tasks%s", label, didYouMean(label, run.Tasks))
		}
		image := Image{Build: b.optional("build", like(webURL, "must be an https address"))}
		if image.Build == "" {
			image.Reference = b.text("reference", like(imageName, "must name registry, image and version, as docker.io/library/odoo:19.0"))
		} else {
			image.Reference = b.text("reference", like(ownImage, "must name image and version only, as pollaris:1.2.3"))
		}
		if _, tag, ok := strings.Cut(image.Reference[strings.LastIndex(image.Reference, "/")+1:], ":"); ok && !strings.ContainsAny(tag, "0123456789") {
			b.diags.at(b.body.Attributes["reference"].Expr.Range(), "the tag %s moves: name a full version", tag)
		}
		image.Digest = b.optional("digest", like(imageDigest, "must be sha256: and 64 hexadecimal digits"))
		run.Images[label] = image
	})
}

func (r *reader) setups(run *Run, known []string) {
	r.each("setup", true, func(label string, b *reader) {
		s := Setup{Name: label}
		if !taskName.MatchString(label) {
			b.diags.at(b.where, "%q cannot be a step's name: use lower-case letters, digits, - and _", label)
		}
		s.Requests = b.requests(append([]string{object}, known...))
		if len(s.Requests) == 0 || b.record != nil {
			s.Task = b.task(run)
			s.User = b.optional("user", like(taskName, "must be a user's name"))
			if s.Command = b.words("command"); len(s.Command) == 0 {
				b.missing("command")
			}
		}
		run.Setup = append(run.Setup, s)
	})
}

// checks reads how to write an object and read it back. What the writing captures, the reading may use.
func (r *reader) checks(run *Run, known []string) {
	known = append([]string{object}, known...)
	bodies := map[string]*reader{}
	r.each("check", true, func(label string, b *reader) {
		if label != "write" && label != "read" && label != "opening" {
			b.diags.at(b.where, `a check is "write", "read" or "opening", not %q`, label)
		}
		bodies[label] = b
		b.blocks = append(b.blocks, "request") // read below, in order
	})
	if b := bodies["opening"]; b != nil {
		run.Check.Opening = b.requests(known)
	}
	if b := bodies["write"]; b != nil {
		run.Check.Write = b.requests(known)
		for _, q := range run.Check.Write {
			for name := range q.Captures {
				known = append(known[:len(known):len(known)], name)
			}
		}
		if bodies["read"] == nil {
			b.diags.at(b.where, `check "write" without check "read": nobody would see whether the object lasts`)
		}
	}
	if b := bodies["read"]; b != nil {
		run.Check.Read = b.requests(known)
	}
	for label, b := range bodies {
		if len(run.Check.Write) == 0 && label == "write" || len(run.Check.Read) == 0 && label == "read" ||
			len(run.Check.Opening) == 0 && label == "opening" {
			b.diags.at(b.where, "check %q has no request", label)
		}
	}
}

// object is the placeholder of what is written and read in a trial, or of what a rule of retention removes.
const object = "object"

// everywhere are the placeholders of any request to an instance.
func everywhere() []string { return []string{"host", "url", "email"} }

// requests reads the request blocks of a body, in order. known are the placeholders beside those that are everywhere.
func (r *reader) requests(known []string) []Request {
	known = slices.Concat(everywhere(), known)
	var all []Request
	r.each("request", true, func(label string, b *reader) {
		q := b.request(label, known)
		q.Captures = b.captures(known)
		for name := range q.Captures {
			known = append(known, name)
		}
		all = append(all, q)
	})
	return all
}

// request reads the keys of one request.
func (r *reader) request(label string, known []string) Request {
	used := filled(known)
	q := Request{Name: label, Method: "GET"}
	if m := r.optional("method", oneOf("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")); m != "" {
		q.Method = m
	}
	q.Path = r.text("path", like(requestPath, "must start with /"), that(used))
	q.Body = r.optional("body", that(used))
	q.ContentType = r.optional("content_type")
	q.Headers = r.texts("headers")
	for name, value := range q.Headers {
		if problem := used(value); problem != "" || !headerName.MatchString(name) {
			r.diags.at(r.body.Attributes["headers"].Expr.Range(), "header %s %s", name, strings.TrimSpace(problem+" must be a header's name and value"))
		}
	}
	q.User, q.Password = r.optional("basic_user", that(used)), r.optional("basic_password", that(used))
	q.Status = r.number("status", 100, 599, 200)
	q.Contains, q.Lacks = r.optional("contains", that(used)), r.optional("lacks", that(used))
	return q
}

// filled wants each placeholder to stand for something known.
func filled(known []string) func(s string) string {
	return func(s string) string {
		for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
			if !slices.Contains(known, m[1]) {
				return "uses {" + m[1] + "}, which is no secret, value, key of a needed service or earlier capture" + didYouMean(m[1], known)
			}
		}
		return ""
	}
}

// captures reads what is taken out of an answer, under names that are new.
func (r *reader) captures(known []string) map[string]string {
	captures := map[string]string{}
	r.each("capture", true, func(name string, c *reader) {
		if !keyName.MatchString(name) || slices.Contains(known, name) {
			c.diags.at(c.where, "%q cannot be captured: use a new name of lower-case letters, digits and _", name)
		}
		captures[name] = c.text("pattern", check{"a regular expression with one group (Go's syntax)", func(s string) string {
			if p, err := regexp.Compile(s); err != nil {
				return "must be a regular expression: " + err.Error()
			} else if p.NumSubexp() != 1 {
				return "must have one group in round brackets: what it matches is kept"
			}
			return ""
		}})
	})
	return captures
}
