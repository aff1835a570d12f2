package nomad

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Finding is what is wrong with a job, for catalogue lint.
type Finding struct {
	Line, Column int // in the source; 0 when it cannot be told
	Message      string
}

// ParseError is HCL that Nomad refused.
type ParseError struct {
	Path     string
	Findings []Finding
}

func (e *ParseError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.Path, f.Line, f.Column, f.Message)
	}
	return strings.Join(lines, "\n")
}

// parse lets a server turn the HCL into a job. Variables go as JSON, in which HCL evaluates nothing. Nomad's client
// has a helper for this that takes no context, so the request is made by hand.
func (c *Cluster) parse(ctx context.Context, j provisioner.Job) (*api.Job, error) {
	variables, err := encodeVariables(j)
	if err != nil {
		return nil, err
	}
	var job *api.Job
	err = c.call(ctx, "parse "+j.Path, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		job = &api.Job{}
		_, err = c.client.Raw().Write("/v1/jobs/parse", &api.JobsParseRequest{JobHCL: j.Source, Variables: variables}, job, w)
		return err
	})
	if status(err) == 400 || status(err) == 500 && strings.Contains(err.Error(), "input.hcl") {
		return nil, &provisioner.RefusedError{Err: &ParseError{Path: j.Path, Findings: parseFindings(bodyOf(err), j.Source)}}
	}
	if err != nil {
		return nil, err
	}
	return job, nil
}

var declaration = regexp.MustCompile(`(?m)^\s*variable\s+"([A-Za-z0-9_]+)"`)

// encodeVariables gives the job the variables it declares, no others.
func encodeVariables(j provisioner.Job) (string, error) {
	declared := map[string]any{}
	for _, m := range declaration.FindAllStringSubmatch(j.Source, -1) {
		value, ok := j.Variables[m[1]]
		if !ok {
			continue // it has a default, or Nomad says that it is missing
		}
		if s, isText := value.(string); isText {
			if problem := unsafeText(s); problem != "" {
				return "", fmt.Errorf("job %s: variable %s must not hold %s", j.ID, m[1], problem)
			}
		}
		declared[m[1]] = value
	}
	out, err := json.Marshal(declared)
	if err != nil {
		return "", fmt.Errorf("job %s: encode variables: %w", j.ID, err)
	}
	return string(out), nil
}

// unsafeText names what makes a string more than a string: to HCL, to Nomad's own interpolation at run time, to the
// templates of a task, or to a configuration file it ends up in.
func unsafeText(s string) string {
	for _, opening := range []string{"${", "%{", "{{", "}}"} {
		if strings.Contains(s, opening) {
			return strconv.Quote(opening)
		}
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0xfffd }) >= 0 {
		return "control characters"
	}
	return ""
}

var (
	noPlace    = regexp.MustCompile(`^Failed to parse job: (?:<nil>: )?`)
	aboutInput = regexp.MustCompile(`variable "([A-Za-z0-9_]+)"`)
	hclPlace   = regexp.MustCompile(`input\.hcl:(\d+),(\d+)-(?:\d+,)?\d+: ([^\n]+)`)
)

// parseFindings takes the places out of Nomad's answer, which lists all mistakes of a file. What is wrong with the
// value of a variable has no place there: it gets that of the declaration.
func parseFindings(body, source string) []Finding {
	var found []Finding
	for _, m := range hclPlace.FindAllStringSubmatch(body, -1) {
		line, _ := strconv.Atoi(m[1])
		column, _ := strconv.Atoi(m[2])
		f := Finding{Line: line, Column: column, Message: strings.TrimSpace(m[3])}
		if !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		f := Finding{Message: strings.TrimSpace(noPlace.ReplaceAllString(body, ""))}
		if m := aboutInput.FindStringSubmatch(body); m != nil {
			for _, d := range declaration.FindAllStringSubmatchIndex(source, -1) {
				if source[d[2]:d[3]] == m[1] {
					f.Line, f.Column = strings.Count(source[:d[2]], "\n")+1, 1
				}
			}
		}
		found = append(found, f)
	}
	return found
}

// bodyOf is what the server said, without the client's wrapping.
func bodyOf(err error) string {
	var answer api.UnexpectedResponseError
	if asAnswer(err, &answer) && answer.HasBody() {
		return answer.Body()
	}
	return err.Error()
}
