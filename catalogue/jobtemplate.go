package catalogue

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

// templateFunctions are those that neither read nor write outside the template. Nomad's templates can read files,
// services, Vault, Consul and every variable the token reaches; what is not listed here is refused.
var templateFunctions = strings.Fields(`
	and or not len index slice print printf println html js urlquery eq ne lt le gt ge call
	add subtract multiply divide modulo minimum maximum
	base64Decode base64Encode base64URLDecode base64URLEncode contains containsAll containsAny containsNone
	containsNotAll in indent join loop parseBool parseFloat parseInt parseJSON parseUint regexMatch regexReplaceAll
	replaceAll sha256Hex hmacSHA256Hex split splitToMap toJSON toJSONPretty toLower toTitle toTOML toUnescapedJSON
	toUnescapedJSONPretty toUpper toYAML trim trimPrefix trimSpace trimSuffix
	sprig_b64enc sprig_default sprig_quote sprig_squote sprig_sha256sum sprig_nospace sprig_trunc`)

// Template is what a look at a task's template found.
type Template struct {
	Problems []TemplateProblem
	Keys     []TemplateKey
	Broken   bool // it does not parse: nothing is known of its keys
}

// TemplateProblem is something that a template may not do.
type TemplateProblem struct {
	Offset int // bytes into the text
	Reason string
}

// TemplateKey is a place where a template uses a key of the job's Nomad Variable.
type TemplateKey struct {
	Offset  int
	Key     string
	Outside bool   // the dot is not the Variable there: nothing comes out
	Printed bool   // into the file, not only looked at
	Filter  string // the function it went through last, or empty
}

// InspectTemplate reads a template of a job whose Nomad Variable has the path own.
func InspectTemplate(text, left, right, own string) Template {
	tree := parse.New("data")
	tree.Mode = parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	t := &templateReader{text: text, own: own, kinds: map[string]dotKind{"$": outside}}
	if _, err := tree.Parse(text, left, right, set); err != nil {
		t.found.Broken = true
		reason, offset := placeOfParseError(err, text)
		t.refuse(parse.Pos(offset), "the template does not parse: %s", reason)
		return t.found
	}
	t.walk(tree.Root, outside)
	for name, one := range set {
		if name != "data" && one.Root != nil {
			t.walk(one.Root, unknown)
		}
	}
	slices.SortStableFunc(t.found.Problems, func(a, b TemplateProblem) int { return a.Offset - b.Offset })
	return t.found
}

var parseErrorLine = regexp.MustCompile(`^template: data:(\d+):(?:\d+:)? *(.*)$`)

// placeOfParseError takes the line out of the parser's message, and finds where its text starts.
func placeOfParseError(err error, text string) (reason string, offset int) {
	m := parseErrorLine.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error(), 0
	}
	line, _ := strconv.Atoi(m[1])
	for n, one := range strings.SplitAfter(text, "\n") {
		if n+1 == line {
			return m[2], offset + len(one) - len(strings.TrimLeft(one, " \t"))
		}
		offset += len(one)
	}
	return m[2], 0
}

// dotKind is what is known of a value in a template.
type dotKind int

const (
	unknown  dotKind = iota
	outside          // nothing: the dot of a template as such
	variable         // the items of the job's Nomad Variable
)

type templateReader struct {
	text   string
	own    string
	kinds  map[string]dotKind // of the template's variables
	found  Template
	filter string // of the action being read
	prints bool
}

func (t *templateReader) refuse(at parse.Pos, format string, args ...any) {
	t.found.Problems = append(t.found.Problems, TemplateProblem{Offset: int(at), Reason: fmt.Sprintf(format, args...)})
}

func (t *templateReader) walk(n parse.Node, dot dotKind) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				t.walk(child, dot)
			}
		}
	case *parse.ActionNode:
		t.prints, t.filter = len(n.Pipe.Decl) == 0, lastFunction(n.Pipe)
		t.pipe(n.Pipe, dot)
		t.prints, t.filter = false, ""
	case *parse.IfNode:
		t.pipe(n.Pipe, dot)
		t.branches(&n.BranchNode, dot, dot)
	case *parse.RangeNode:
		t.pipe(n.Pipe, dot)
		t.branches(&n.BranchNode, unknown, dot)
	case *parse.WithNode:
		t.branches(&n.BranchNode, t.pipe(n.Pipe, dot), dot)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			t.pipe(n.Pipe, dot)
		}
	}
}

func (t *templateReader) branches(b *parse.BranchNode, inner, other dotKind) {
	t.walk(b.List, inner)
	if b.ElseList != nil {
		t.walk(b.ElseList, other)
	}
}

// lastFunction is the function that makes what a pipeline prints.
func lastFunction(p *parse.PipeNode) string {
	if len(p.Cmds) == 0 {
		return ""
	}
	if name, ok := p.Cmds[len(p.Cmds)-1].Args[0].(*parse.IdentifierNode); ok {
		return name.Ident
	}
	return ""
}

// pipe reads a pipeline and tells what comes out of it.
func (t *templateReader) pipe(p *parse.PipeNode, dot dotKind) dotKind {
	kind := unknown
	for at, c := range p.Cmds {
		kind = t.command(c, at > 0, dot)
	}
	if len(p.Decl) == 1 {
		t.kinds[p.Decl[0].Ident[0]] = kind
	}
	return kind
}

// command checks one call. piped says that a value computed before is its last argument.
func (t *templateReader) command(c *parse.CommandNode, piped bool, dot dotKind) dotKind {
	kind := unknown
	for at, arg := range c.Args {
		name, isFunction := arg.(*parse.IdentifierNode)
		if !isFunction {
			if k := t.operand(arg, dot); len(c.Args) == 1 && !piped {
				kind = k
			}
			continue
		}
		rest := c.Args[at+1:]
		switch name.Ident {
		case "nomadVar", "nomadVarExists":
			t.variablePath(name, rest, piped)
			if name.Ident == "nomadVar" && at == 0 {
				kind = variable
			}
		case "env":
			key, ok := literal(rest)
			if !ok || piped || !strings.HasPrefix(key, "NOMAD_") || key == "NOMAD_TOKEN" {
				t.refuse(name.Pos, "a template reads the environment: only NOMAD_ names written out, without the token")
			}
		case "index":
			t.indexed(rest, dot)
		default:
			if !slices.Contains(templateFunctions, name.Ident) {
				t.refuse(name.Pos, "a template calls %s, which reads beyond the job", name.Ident)
			}
		}
	}
	return kind
}

// operand reads a value that is no call, and tells what it is.
func (t *templateReader) operand(n parse.Node, dot dotKind) dotKind {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		t.field(t.start(n.Pos, "."+n.Ident[0]), n.Ident, dot)
	case *parse.VariableNode:
		if len(n.Ident) == 1 {
			return t.kinds[n.Ident[0]]
		}
		t.field(t.start(n.Pos, n.Ident[0]), n.Ident[1:], t.kinds[n.Ident[0]])
	case *parse.PipeNode:
		return t.pipe(n, dot)
	case *parse.ChainNode:
		t.field(n.Pos, n.Field, t.operand(n.Node, dot))
	}
	return unknown
}

// start is where .a.b starts: the parser says where .b does.
func (t *templateReader) start(at parse.Pos, first string) parse.Pos {
	if before := at - parse.Pos(len(first)); before >= 0 && strings.HasPrefix(t.text[before:], first) {
		return before
	}
	return at
}

// field notes the use of a key. Methods of the Variable itself start with a capital.
func (t *templateReader) field(at parse.Pos, names []string, of dotKind) {
	if of == unknown || strings.ToUpper(names[0][:1]) == names[0][:1] && names[0][0] != '_' {
		return
	}
	t.found.Keys = append(t.found.Keys, TemplateKey{
		Offset: int(at), Key: names[0], Outside: of == outside, Printed: t.prints, Filter: t.filter,
	})
}

// indexed notes index . "key", the other way to write .key.
func (t *templateReader) indexed(args []parse.Node, dot dotKind) {
	if len(args) < 2 {
		return
	}
	kind := unknown
	switch n := args[0].(type) {
	case *parse.DotNode:
		kind = dot
	case *parse.VariableNode:
		if len(n.Ident) == 1 {
			kind = t.kinds[n.Ident[0]]
		}
	}
	if key, ok := args[1].(*parse.StringNode); ok && key.Text != "" && kind != unknown {
		t.field(key.Pos, []string{key.Text}, kind)
	}
}

// variablePath: a job reads its own Nomad Variable. Nomad's own access rules say the same, as long as nobody gave
// workloads more; this holds even then.
func (t *templateReader) variablePath(function *parse.IdentifierNode, args []parse.Node, piped bool) {
	path, ok := literal(args)
	if !ok || piped {
		t.refuse(function.Pos, "%s needs its path written out: %q", function.Ident, t.own)
	} else if path != t.own && !strings.HasPrefix(path, t.own+"/") || strings.Contains(path, "..") {
		t.refuse(args[0].Position(), "a template reads the variable %q, which is not the job's own (%s)", path, t.own)
	}
}

// literal is the only argument when it is a string constant.
func literal(args []parse.Node) (string, bool) {
	if len(args) != 1 {
		return "", false
	}
	s, ok := args[0].(*parse.StringNode)
	if !ok {
		return "", false
	}
	return s.Text, true
}
