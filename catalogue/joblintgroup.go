package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// blocks wants one job with one group, and checks both.
func (l *jobLint) blocks() {
	var jobs []*hclsyntax.Block
	for _, b := range l.body.Blocks {
		switch b.Type {
		case "job":
			jobs = append(jobs, b)
		case "variable", "locals":
		default:
			l.at(b.TypeRange, "unexpected block %s%s", b.Type, didYouMean(b.Type, []string{"job", "variable", "locals"}))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.body.Attributes)) {
		l.at(l.body.Attributes[name].NameRange, "unknown key %s: a job file holds variable, locals and job blocks", name)
	}
	if len(jobs) == 0 {
		if !l.broken {
			l.diags = append(l.diags, Diagnostic{Path: l.path, Message: "there is no job block"})
		}
		return
	}
	for _, second := range jobs[1:] {
		l.at(second.TypeRange, "there is a second job: an instance is one job")
	}
	for _, b := range jobs {
		l.shape(b)
		l.jobBlock(b)
	}
}

func (l *jobLint) jobBlock(b *hclsyntax.Block) {
	if attr, ok := b.Body.Attributes["id"]; ok && !refersTo(attr.Expr, "job_id") {
		l.at(attr.Expr.Range(), "the job's id must be ${var.job_id}")
	}
	if kind, at, ok := l.text(b, "type"); ok && kind != "service" {
		l.at(at, "an instance is a job of type service, not %s", kind)
	}
	if l.number(b, "priority", 50) > 50 {
		l.at(b.Body.Attributes["priority"].Expr.Range(), "a priority above 50 displaces the jobs of others")
	}
	l.constraints(b)
	groups := blocksOf(b, "group")
	if len(groups) == 0 {
		l.missing(b.TypeRange, `group "app" { … } is missing in job`)
	}
	for i, group := range groups {
		if i > 0 {
			l.at(group.TypeRange, "an instance has one group, whose tasks share its volume; there are %d", len(groups))
		} else if len(group.Labels) == 1 && group.Labels[0] != "app" {
			l.at(group.LabelRanges[0], `the group of an instance has the name "app"`)
		}
		l.groupBlock(group)
	}
	if !contains(b.Body, "service", "check") {
		l.missing(b.TypeRange, "no service of the job has a check: frama could not tell whether an instance works")
	}
}

// blocksOf lists the blocks of a type directly in another.
func blocksOf(b *hclsyntax.Block, kind string) []*hclsyntax.Block {
	var out []*hclsyntax.Block
	for _, inner := range b.Body.Blocks {
		if inner.Type == kind {
			out = append(out, inner)
		}
	}
	return out
}

// constraints checks where jobs, groups and tasks may run.
func (l *jobLint) constraints(b *hclsyntax.Block) {
	for _, c := range blocksOf(b, "constraint") {
		for _, key := range []string{"attribute", "value", "distinct_property", "is_set", "is_not_set"} {
			s, at, ok := l.text(c, key)
			if ok && (strings.Contains(s, "node.unique") || strings.Contains(s, "unique.hostname") || strings.Contains(s, "unique.network")) {
				l.at(at, "a constraint on %s: where an instance runs is frama's to say", s)
			}
		}
	}
}

func (l *jobLint) groupBlock(b *hclsyntax.Block) {
	l.group = b
	if attr, ok := b.Body.Attributes["count"]; ok && l.number(b, "count", 1) != 1 {
		l.at(attr.Expr.Range(), "an instance is one allocation: two would write one volume")
	}
	l.constraints(b)
	for _, restart := range blocksOf(b, "restart") {
		if mode, at, ok := l.text(restart, "mode"); ok && mode != "fail" {
			l.at(at, `frama sets the mode by the version of the servers: leave it out`)
		}
	}
	networks := blocksOf(b, "network")
	for _, network := range networks {
		l.network(network)
	}
	if !l.ports["http"] {
		l.missing(b.TypeRange, `there is no port "http" for the ingress`)
	}
	volumes := map[string]*hclsyntax.Block{}
	for _, v := range blocksOf(b, "volume") {
		if len(v.Labels) == 1 {
			if volumes[v.Labels[0]] != nil {
				l.at(v.LabelRanges[0], "volume %s occurs twice", v.Labels[0])
			}
			volumes[v.Labels[0]] = v
		}
		l.volumeBlock(v)
	}
	services := blocksOf(b, "service")
	mounted := map[string]bool{}
	names := map[string]bool{}
	for _, t := range blocksOf(b, "task") {
		l.task(t)
		if len(t.Labels) == 1 {
			if names[t.Labels[0]] {
				l.at(t.LabelRanges[0], "task %s occurs twice", t.Labels[0])
			}
			names[t.Labels[0]] = true
		}
		services = append(services, blocksOf(t, "service")...)
		for _, mount := range blocksOf(t, "volume_mount") {
			mounted[l.mount(mount, volumes)] = true
		}
	}
	if len(l.tasks) == 0 {
		l.missing(b.TypeRange, `task "…" { … } is missing in group`)
	}
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		if !mounted[name] {
			l.missing(volumes[name].LabelRanges[0], "no task mounts the volume %s: add volume_mount { … }", name)
		}
	}
	for _, s := range services {
		l.service(s)
	}
	l.signals()
	l.total(b)
}

// network: only the instance's own port is static; all else would take ports from others.
func (l *jobLint) network(b *hclsyntax.Block) {
	switch mode, at, ok := l.plainText(b, "mode"); {
	case !ok || mode == "bridge" || mode == "none":
	case mode == "host":
		l.at(at, "network mode host shares the node's network")
	default:
		l.at(at, "network mode %s is not allowed", mode)
	}
	for _, port := range blocksOf(b, "port") {
		if len(port.Labels) != 1 {
			continue
		}
		name := port.Labels[0]
		if l.ports[name] {
			l.at(port.LabelRanges[0], "port %s occurs twice", name)
		}
		l.ports[name] = true
		attr, static := port.Body.Attributes["static"]
		switch {
		case static && name != "http":
			l.at(attr.NameRange, "port %s is static: only http may be, all else would take ports from others", name)
		case static && !refersTo(attr.Expr, "port"):
			l.at(attr.Expr.Range(), "the port http is static = var.port, which frama reserved for the instance")
		}
	}
}

// volumeBlock: the instance's own, about which frama says all the rest. Every other volume is somebody else's data.
func (l *jobLint) volumeBlock(b *hclsyntax.Block) {
	name := strings.Join(b.Labels, " ")
	attr, ok := b.Body.Attributes["source"]
	if !ok {
		return
	}
	if refersTo(attr.Expr, "volume") {
		l.volume = true
		for _, key := range []string{"type", "access_mode", "attachment_mode"} {
			if attr, ok := b.Body.Attributes[key]; ok {
				l.at(attr.NameRange, "volume %s says how it is mounted: leave %s out, frama sets it", name, key)
			}
		}
		return
	}
	if source, at, ok := l.plainText(b, "source"); ok {
		l.at(at, "volume %s is %q, which is not the instance's own (var.volume)", name, source)
	}
}

// mount checks a volume_mount, and returns the volume it names.
func (l *jobLint) mount(b *hclsyntax.Block, volumes map[string]*hclsyntax.Block) string {
	if mode, at, ok := l.plainText(b, "propagation_mode"); ok && mode != "" && mode != "private" {
		l.at(at, "mounts must not spread to the node (%s)", mode)
	}
	if path, at, ok := l.plainText(b, "destination"); ok && !strings.HasPrefix(path, "/") {
		l.at(at, "destination must be an absolute path in the container")
	}
	name, at, ok := l.text(b, "volume")
	if ok && volumes[name] == nil {
		l.at(at, "the group has no volume %s%s", name, didYouMean(name, slices.Sorted(maps.Keys(volumes))))
	}
	return name
}

func (l *jobLint) service(b *hclsyntax.Block) {
	if provider, at, ok := l.text(b, "provider"); !ok {
		l.missing(b.TypeRange, `provider = "nomad" is missing in service: there is no Consul`)
	} else if provider != "nomad" {
		l.at(at, `provider = "nomad": there is no Consul`)
	}
	l.portLabel(b)
	for _, check := range blocksOf(b, "check") {
		kind, at, ok := l.text(check, "type")
		path, pathAt, given := l.text(check, "path")
		switch {
		case ok && kind != "http" && kind != "tcp":
			l.at(at, "a check is http or tcp, not %s", kind)
		case kind == "http" && check.Body.Attributes["path"] == nil:
			l.missing(check.TypeRange, "path is missing in check: the page that shows that the application works")
		case given && !strings.HasPrefix(path, "/"):
			l.at(pathAt, "path must start with /")
		}
		l.portLabel(check)
	}
}

// portLabel: the port of a service or check is one of the group's.
func (l *jobLint) portLabel(b *hclsyntax.Block) {
	name, at, ok := l.text(b, "port")
	switch {
	case ok && !l.ports[name]:
		l.at(at, "the group has no port %s%s", name, didYouMean(name, slices.Sorted(maps.Keys(l.ports))))
	case b.Type == "service" && b.Body.Attributes["port"] == nil:
		l.missing(b.TypeRange, "port is missing in service")
	}
}

// total: the tasks together stay within what the instance reserves, in every plan. The only task of a job gets all of it
// from frama.
func (l *jobLint) total(group *hclsyntax.Block) {
	tasks := blocksOf(group, "task")
	if len(tasks) < 2 {
		return
	}
	defer l.setVariables(l.anyPlan())
	for _, plan := range slices.Sorted(maps.Keys(l.app.sizes)) {
		l.setVariables(plan)
		size := l.app.sizes[plan]
		var cpu, memory, most int
		for _, t := range tasks {
			r := group // a task that says nothing gets Nomad's defaults
			if found := blocksOf(t, "resources"); len(found) > 0 {
				r = found[0]
			}
			c, known := l.numberOr(r, "cpu", 100)
			m, also := l.numberOr(r, "memory", 300)
			limit, too := l.numberOr(r, "memory_max", 0)
			if !known || !also || !too {
				return // complained about already
			}
			cpu, memory, most = cpu+c, memory+m, most+max(m, limit)
		}
		problem := ""
		switch {
		case size.CPU > 0 && cpu > size.CPU:
			problem = fmt.Sprintf("the tasks ask for %d MHz, the instance reserved %d", cpu, size.CPU)
		case size.Memory > 0 && memory > size.Memory:
			problem = fmt.Sprintf("the tasks ask for %d MiB, the instance reserved %d", memory, size.Memory)
		case size.Memory > 0 && most > size.Limit():
			problem = fmt.Sprintf("the tasks may grow to %d MiB, the instance to %d", most, size.Limit())
		}
		if problem != "" {
			l.at(group.TypeRange, "%s (plan %s)", problem, plan)
			return
		}
	}
}

// contains says whether a block of the outer type holds one of the inner type, at any depth.
func contains(body *hclsyntax.Body, outer, inner string) bool {
	for _, b := range body.Blocks {
		if b.Type == outer && slices.ContainsFunc(b.Body.Blocks, func(c *hclsyntax.Block) bool { return c.Type == inner }) {
			return true
		}
		if contains(b.Body, outer, inner) {
			return true
		}
	}
	return false
}
