package catalogue

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

func (l *jobLint) task(b *hclsyntax.Block) {
	t := &task{block: b}
	if len(b.Labels) == 1 {
		t.name = b.Labels[0]
	}
	l.tasks = append(l.tasks, t)
	l.constraints(b)
	if driver, at, ok := l.plainText(b, "driver"); ok {
		t.driver = driver
		l.driver(driver, at)
	}
	for _, config := range blocksOf(b, "config") {
		l.config(t, config)
	}
	l.environment(b)
	destinations := map[string]bool{}
	for _, template := range blocksOf(b, "template") {
		if path := l.template(template); path != "" {
			if destinations[path] {
				l.at(template.Body.Attributes["destination"].Expr.Range(), "a second template writes to %q", path)
			}
			destinations[path] = true
		}
	}
	for _, lifecycle := range blocksOf(b, "lifecycle") {
		if hook, at, ok := l.plainText(lifecycle, "hook"); ok && hook != "prestart" && hook != "poststart" {
			l.at(at, "a %s task runs on after the instance was stopped", hook)
		}
	}
}

// driver: applications run in containers. The policy of development allows more, which frama's own tests need.
func (l *jobLint) driver(driver string, at hcl.Range) {
	if !slices.Contains(Drivers(), driver) {
		l.at(at, "the driver %s is not allowed here (allowed: %s)", driver, strings.Join(Drivers(), ", "))
	}
}

// config checks what the driver is told. Keys that reach beyond the task must be written out.
func (l *jobLint) config(t *task, b *hclsyntax.Block) {
	config, places := map[string]any{}, map[string][]*hclsyntax.Block{}
	for name, attr := range b.Body.Attributes {
		value, ok := l.value(attr.Expr)
		if ok {
			l.runtime(attr.Expr, value)
		}
		switch {
		case !ok:
			config[name] = unreadable
		case !slices.Contains(harmless, name) && !l.values.plain(attr.Expr):
			l.at(attr.Expr.Range(), "%s must be written out: it may hold whole variables, and nothing that is worked out from them", name)
			config[name] = unreadable
		default:
			config[name] = goValue(value)
		}
	}
	for _, inner := range b.Body.Blocks {
		if inner.Type == "dynamic" {
			l.at(inner.TypeRange, "dynamic blocks hide what a job does: write the blocks out")
			continue
		}
		list, _ := config[inner.Type].([]any)
		config[inner.Type] = append(list, l.nested(inner))
		places[inner.Type] = append(places[inner.Type], inner)
	}
	for _, problem := range DriverProblems(t.driver, config) {
		if config[problem.Key] != unreadable {
			l.at(placeOfProblem(b, places, problem), "%s", problem.Reason)
		}
	}
	if attr, ok := b.Body.Attributes["image"]; ok {
		t.at = attr.Expr.Range()
		t.image, _ = config["image"].(string)
		l.onlyRegistry(attr.Expr, 0)
	}
	l.publishedPorts(b)
	for _, name := range []string{"command", "args", "entrypoint"} {
		if attr, ok := b.Body.Attributes[name]; ok {
			l.words(attr.Expr)
		}
	}
	for _, labels := range places["labels"] {
		l.assignments(labels.Body.Attributes)
	}
}

// unreadable stands for a value that lint could not work out and has complained about.
const unreadable = "\uE000unreadable"

// nested is a block of a config as drivers get it.
func (l *jobLint) nested(b *hclsyntax.Block) any {
	out := map[string]any{}
	for name, attr := range b.Body.Attributes {
		value, ok := l.value(attr.Expr)
		if ok && !l.values.plain(attr.Expr) && b.Type != "labels" && b.Type != "tmpfs_options" {
			l.at(attr.Expr.Range(), "%s must be written out: it may hold whole variables, and nothing that is worked out from them", name)
		}
		out[name] = goValue(value)
	}
	for _, inner := range b.Body.Blocks {
		list, _ := out[inner.Type].([]any)
		out[inner.Type] = append(list, l.nested(inner))
	}
	return out
}

// placeOfProblem finds the key or block that a problem is about.
func placeOfProblem(config *hclsyntax.Block, places map[string][]*hclsyntax.Block, p Problem) hcl.Range {
	if attr, ok := config.Body.Attributes[p.Key]; ok {
		if p.Key == "image" {
			return attr.Expr.Range()
		}
		return attr.NameRange
	}
	if p.At >= len(places[p.Key]) {
		return config.TypeRange
	}
	block := places[p.Key][p.At]
	if attr, ok := block.Body.Attributes[p.Option]; ok {
		if p.Option == "source" || p.Option == "type" {
			return attr.Expr.Range()
		}
		return attr.NameRange
	}
	for _, inner := range block.Body.Blocks {
		if inner.Type == p.Option {
			return inner.TypeRange
		}
	}
	return block.TypeRange
}

// onlyRegistry: of all variables, an image may depend on the host's registry.
func (l *jobLint) onlyRegistry(expr hclsyntax.Expression, depth int) {
	for _, t := range expr.Variables() {
		name := stepName(t)
		switch {
		case t.RootName() == "var" && name != "registry":
			l.at(expr.Range(), "an image must be written out, but for ${var.registry}: it depends on var.%s", name)
		case t.RootName() == "local" && l.values.localExpr[name] != nil && depth < 20:
			l.onlyRegistry(l.values.localExpr[name], depth+1)
		}
	}
}

// publishedPorts: the ports of a container are ports of the group.
func (l *jobLint) publishedPorts(b *hclsyntax.Block) {
	attr, ok := b.Body.Attributes["ports"]
	if !ok {
		return
	}
	tuple, ok := attr.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		return
	}
	for _, item := range tuple.Exprs {
		if value, ok := l.value(item); ok && value.Type() == cty.String && !value.IsNull() && !l.ports[value.AsString()] {
			l.at(item.Range(), "the group has no port %s", value.AsString())
		}
	}
}

// environment checks env { … } or env = { … }.
func (l *jobLint) environment(b *hclsyntax.Block) {
	for _, env := range blocksOf(b, "env") {
		l.assignments(env.Body.Attributes)
		for _, inner := range env.Body.Blocks {
			l.at(inner.TypeRange, "env holds NAME = \"value\" only")
		}
	}
	attr, ok := b.Body.Attributes["env"]
	if !ok {
		return
	}
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		l.at(attr.Expr.Range(), "env must be written out: NAME = \"value\"")
		return
	}
	for _, item := range object.Items {
		if name, ok := l.value(item.KeyExpr); ok && name.Type() == cty.String && !name.IsNull() {
			l.assignment(name.AsString(), item.ValueExpr)
		}
	}
}

func (l *jobLint) assignments(attrs hclsyntax.Attributes) {
	for name, attr := range attrs {
		l.assignment(name, attr.Expr)
	}
}

// assignment checks one variable of the environment.
func (l *jobLint) assignment(name string, expr hclsyntax.Expression) {
	value, ok := l.value(expr)
	if !ok {
		return
	}
	l.runtime(expr, value)
	if value.IsNull() || !value.Type().IsPrimitiveType() {
		l.at(expr.Range(), "%s must be a text in quotes", name)
		return
	}
	s := ""
	switch value.Type() {
	case cty.String:
		s = value.AsString()
	case cty.Number:
		s = value.AsBigFloat().Text('f', -1)
	}
	if problem := secretAssignment(name, s); problem != "" {
		l.at(expr.Range(), "%s", problem)
	}
}

// runtime refuses what Nomad would replace by the node's environment, however it was put together. Plain references are
// reported where all references are.
func (l *jobLint) runtime(expr hclsyntax.Expression, value cty.Value) {
	known := slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		return t.RootName() == "env" || t.RootName() == "NOMAD_TOKEN"
	})
	if !known && ReadsEnvironment(goValue(value)) {
		l.at(expr.Range(), "the environment of the node and tokens are not available to instances")
	}
}

// words checks the words of a command, which everybody on the node can read.
func (l *jobLint) words(expr hclsyntax.Expression) {
	exprs := []hclsyntax.Expression{expr}
	if tuple, ok := expr.(*hclsyntax.TupleConsExpr); ok {
		exprs = tuple.Exprs
	}
	var words []string
	var places []hcl.Range
	for _, e := range exprs {
		value, ok := l.value(e)
		if !ok || value.IsNull() {
			continue
		}
		list, isList := goValue(value).([]any) // of a function, as concat()
		if !isList {
			list = []any{goValue(value)}
		}
		for _, one := range list {
			if s, ok := one.(string); ok {
				words, places = append(words, s), append(places, e.Range())
			}
		}
	}
	for n, problem := range secretWords(words) {
		l.at(places[n], "%s", problem)
	}
}
