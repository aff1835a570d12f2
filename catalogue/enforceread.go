package catalogue

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var writesPath = regexp.MustCompile(`^/[A-Za-z0-9._~@:+,=/-]+$`)

const (
	mostWrites = 20
	settingTag = "setting"
	reserveTag = "reserve"
)

// TellKeys lists what an application can be told of its limits: storage in MiB or bytes, and people with an account.
func TellKeys() []string { return []string{"storage_mib", "storage_bytes", "accounts"} }

// enforce reads how growth is stopped and allowed again. known are the keys of the instance's Nomad Variable.
func (r *reader) enforce(run *Run, known []string) {
	r.each("enforce", false, func(_ string, b *reader) {
		e := &run.Enforce
		e.Setting = b.optional(settingTag, like(keyName, "must be a key of lower-case letters, digits and _"), that(func(s string) string {
			return newKey(s, known)
		}))
		e.settingAt = b.place(settingTag)
		e.Stop = b.act("stop", run, known, nil)
		e.Allow = b.act("allow", run, known, nil)
		e.Tell = b.act("tell", run, known, TellKeys())
		e.Writes = b.list("writes", check{"paths that start with /", writable})
		if attr, given := b.body.Attributes["writes"]; given && len(e.Writes) > mostWrites {
			b.diags.at(attr.Expr.Range(), "writes names %d paths: more than %d open the application again", len(e.Writes), mostWrites)
		}
		if b.has("stop") != b.has("allow") {
			b.diags.at(b.where, "stop and allow belong together: what is stopped must come back by itself")
		}
		if b.record == nil && len(b.body.Attributes) == 0 && len(b.body.Blocks) == 0 {
			b.diags.at(b.where, "enforce says nothing: name a setting, stop and allow, tell or writes, or leave it out")
		}
		run.enforceAt = b.here(b.where)
	})
}

// newKey wants a key of the Nomad Variable that nothing else has.
func newKey(key string, known []string) string {
	for need, keys := range BackingKeys() {
		if slices.Contains(keys, key) {
			return "is already used by the backing service " + need
		}
	}
	if slices.Contains(known, key) {
		return "is already the key of a secret or value"
	}
	return ""
}

// act reads something that is done to an instance. extra are placeholders that it has beside the usual ones; it must use
// one of them.
func (r *reader) act(kind string, run *Run, known, extra []string) (a Act) {
	r.each(kind, false, func(_ string, b *reader) {
		a.Requests = b.requests(slices.Concat(known, extra))
		if len(a.Requests) == 0 || b.record != nil {
			a.Task = b.task(run)
			a.User = b.optional("user", like(taskName, "must be a user's name"))
			a.Command = b.words("command", that(func(s string) string { return literalWord(s, known, extra) }))
			if attr, given := b.body.Attributes["command"]; !given {
				b.missing("command")
			} else if len(a.Command) == 0 {
				b.diags.at(attr.Expr.Range(), "command is empty")
			}
		}
		if len(extra) > 0 {
			a.Reserve = b.number(reserveTag, 0, 1_000_000, 0)
		}
		if len(extra) > 0 && !a.Nothing() && !a.uses(extra) {
			b.diags.at(b.where, "%s uses none of {%s}: it would tell the application nothing", kind, strings.Join(extra, "}, {"))
		}
	})
	return a
}

// literalWord: limits are filled into the words of a command, and nothing else is, least of all a secret.
func literalWord(s string, known, extra []string) string {
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		switch {
		case slices.Contains(extra, m[1]):
		case slices.Contains(known, m[1]) || slices.Contains(everywhere(), m[1]):
			return "uses {" + m[1] + "}, which is not filled in here: everybody on the node can read a command, so take it from the environment"
		case slices.Contains(TellKeys(), m[1]):
			return "uses {" + m[1] + "}, which only tell knows"
		}
	}
	return ""
}

// uses says whether one of the placeholders is anywhere in what is done.
func (a Act) uses(names []string) bool {
	texts := slices.Clone(a.Command)
	for _, q := range a.Requests {
		texts = append(append(texts, q.Path, q.Body), valuesOf(q.Headers)...)
	}
	for _, m := range placeholder.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		if slices.Contains(names, m[1]) {
			return true
		}
	}
	return false
}

// writable wants the beginning of a path, narrow enough to be a hole and no open door.
func writable(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "must hold paths that start with /"
	case s == "/":
		return "must not hold /, which is everything"
	case strings.ContainsAny(s, "?#"):
		return "must hold paths only: what comes after ? is not looked at"
	case strings.Contains(s, "//") || slices.Contains(strings.Split(s, "/"), ".."):
		return "must hold paths as applications get them, without // and .."
	case !writesPath.MatchString(s) || len(s) > 200:
		return "must hold the beginnings of paths: letters, digits and . _ ~ @ : + , = - /, at most 200"
	}
	return ""
}

// checkEnforce sees that what stops growth is what the manifest says stops it.
func (a *App) checkEnforce(r *reader) {
	e := a.run.Enforce
	if acts := e.Setting != "" || !e.Stop.Nothing() || !e.Tell.Nothing(); acts && (a.Quota == "ingress" || a.Quota == "volume") {
		d := a.run.enforceAt
		d.Message = "quota says that the " + a.Quota + " stops growth: with that, enforce holds writes and nothing else"
		*r.diags = append(*r.diags, d)
	}
}

// checkReserve: what an application keeps for itself leaves room for people in every plan.
func (a *App) checkReserve(r *reader) {
	reserve := a.run.Enforce.Tell.Reserve
	for _, plan := range slices.Sorted(maps.Keys(a.sizes)) {
		if reserve > 0 && reserve >= a.sizes[plan].Disk {
			d := a.sizePlaces[plan]
			d.Message = fmt.Sprintf("the reserve of tell (%d MiB) takes all of the volume in the plan %s (%d MiB)", reserve, plan, a.sizes[plan].Disk)
			*r.diags = append(*r.diags, d)
		}
	}
}
