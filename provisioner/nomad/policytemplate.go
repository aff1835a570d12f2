package nomad

import (
	"slices"
	"strings"
	"text/template/parse"

	"github.com/hashicorp/nomad/api"
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

// template checks what a template reads and where it writes.
func (i *inspection) template(t *api.Template) {
	i.refuseIf(deref(t.SourcePath) != "", "source", "a template is written in the job (data), not read from %s", deref(t.SourcePath))
	dest := deref(t.DestPath)
	for _, dir := range []string{"${NOMAD_TASK_DIR}/", "${NOMAD_SECRETS_DIR}/"} {
		dest = strings.Replace(dest, dir, "local/", 1)
	}
	i.refuseIf(!ownFile(dest), "destination", "a template writes to %q: use local/ or secrets/", deref(t.DestPath))
	i.refuseIf(t.ChangeScript != nil, "change_script", "change_script runs a program on each change: use restart or a signal")
	left, right := or(t.LeftDelim, "{{"), or(t.RightDelim, "}}")
	tree := parse.New("data")
	tree.Mode = parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	if _, err := tree.Parse(deref(t.EmbeddedTmpl), left, right, set); err != nil {
		i.refuse("data", "the template does not parse: %v", err)
		return
	}
	set["data"] = tree
	for _, one := range set {
		if one.Root != nil {
			i.nodes(one.Root)
		}
	}
}

// nodes walks a template's syntax tree.
func (i *inspection) nodes(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				i.nodes(child)
			}
		}
	case *parse.ActionNode:
		i.nodes(n.Pipe)
	case *parse.IfNode:
		i.branch(&n.BranchNode)
	case *parse.RangeNode:
		i.branch(&n.BranchNode)
	case *parse.WithNode:
		i.branch(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			i.nodes(n.Pipe)
		}
	case *parse.PipeNode:
		for at, c := range n.Cmds {
			i.command(c, at > 0)
		}
	case *parse.ChainNode:
		i.nodes(n.Node)
	}
}

func (i *inspection) branch(b *parse.BranchNode) {
	i.nodes(b.Pipe)
	i.nodes(b.List)
	if b.ElseList != nil {
		i.nodes(b.ElseList)
	}
}

// command checks one call. piped says that a value computed before is its last argument.
func (i *inspection) command(c *parse.CommandNode, piped bool) {
	for at, arg := range c.Args {
		name, isFunction := arg.(*parse.IdentifierNode)
		if !isFunction {
			i.nodes(arg)
			continue
		}
		switch name.Ident {
		case "nomadVar", "nomadVarExists":
			i.variablePath(name.Ident, c.Args[at+1:], piped)
		case "env":
			key, ok := literal(c.Args[at+1:])
			i.refuseIf(!ok || piped || !strings.HasPrefix(key, "NOMAD_") || key == "NOMAD_TOKEN", "data",
				"a template reads the environment: only NOMAD_ names written out, without the token")
		default:
			i.refuseIf(!slices.Contains(templateFunctions, name.Ident), "data", "a template calls %s, which reads beyond the job", name.Ident)
		}
	}
}

// variablePath: a job reads its own Nomad Variable. Nomad's own access rules say the same, as long as nobody gave
// workloads more; this holds even then.
func (i *inspection) variablePath(function string, args []parse.Node, piped bool) {
	own := "nomad/jobs/" + i.want.ID
	path, ok := literal(args)
	i.refuseIf(!ok || piped, "data", "%s needs its path written out: %q", function, own)
	i.refuseIf(ok && path != own && !strings.HasPrefix(path, own+"/"), "data", "a template reads the variable %q, which is not the job's own (%s)", path, own)
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
