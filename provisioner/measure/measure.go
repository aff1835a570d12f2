// Package measure reads how much an instance uses: what its manifest says (a number on a page, in a metric, of a command,
// of its database, of its files), and what frama can see of every one, the bytes of its volume, its database and its bucket.
//
// Nothing an instance answers is believed before it was looked at: each probe has a time limit and a size limit, redirects
// are not followed, and what is no whole number that can be true becomes the reading's problem, in words for people and
// without secrets. Whatever one instance does, others are measured as if it were not there.
package measure

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
)

// Cluster is where the instances run (provisioner/nomad).
type Cluster interface {
	Secrets(ctx context.Context, job string) (map[string]string, error)
	Exec(ctx context.Context, job, task string, command []string) (code int, output string, err error)
	// VolumePath says in which of a job's tasks a volume is found, and where; nothing where there is none.
	VolumePath(ctx context.Context, job, volume string) (task, path string, err error)
}

// Prober measures instances. It is safe for concurrent use; make it with New.
type Prober struct {
	Options

	transport *http.Transport
}

// Options are what a Prober works with.
type Options struct {
	Cluster   Cluster
	Catalogue *catalogue.Catalogue
	Servers   []provisioner.Server     // declared backing servers
	URL       func(host string) string // public address of an instance
	Timeout   time.Duration            // of one probe
	Now       func() time.Time
}

// probes that one instance is given the time of, however many it has: one that answers nothing holds up nobody for longer.
const patience = 3

// New makes a prober.
func New(o Options) *Prober {
	return &Prober{Options: o, transport: &http.Transport{
		// Instances are asked one after the other and then not for an hour: hardly any connection is used twice.
		MaxIdleConns: 64, MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * time.Second,
		MaxResponseHeaderBytes: 256 << 10, DisableCompression: true,
	}}
}

// Measure looks at one instance. What cannot be read is a problem of the reading. An error says that nobody can be
// measured now, because the cluster does not answer or nobody waits any more: it says nothing about the instance.
func (p *Prober) Measure(asked context.Context, i hosting.Instance) (hosting.Measurement, error) {
	ctx, cancel := context.WithTimeout(asked, patience*p.Timeout)
	defer cancel()
	l := &look{Prober: p, Instance: i}
	app, known := p.Catalogue.App(i.App)
	if known {
		l.app, l.run = app, app.Run()
	}
	m := hosting.Measurement{InstanceID: i.ID, SpaceID: i.SpaceID, At: p.Now()}
	// First what shows whether the cluster answers at all.
	for _, part := range []func(context.Context) error{l.volume, l.servers, l.manifest} {
		if err := part(ctx); err != nil {
			return hosting.Measurement{}, err
		}
	}
	m.Readings = l.readings
	return m, asked.Err() // what was broken off is nobody's problem
}

// look is one look at one instance.
type look struct {
	*Prober
	hosting.Instance

	app      catalogue.App
	run      catalogue.Run
	readings []hosting.Reading

	task, path string            // where its volume is found
	items      map[string]string // of its variable, once somebody needed them
	gone       string            // why nobody answers at its address, once that is known
}

// outage is an error of the cluster, not of the instance.
func outage(err error) error { return fmt.Errorf("the cluster cannot be asked: %w", err) }

// variable reads what is in the instance's variable, once.
func (l *look) variable(ctx context.Context) (map[string]string, error) {
	if l.items != nil {
		return l.items, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	items, err := l.Cluster.Secrets(ctx, l.Job)
	if err != nil {
		return nil, outage(err)
	}
	if l.items = items; items == nil {
		l.items = map[string]string{}
	}
	return l.items, nil
}

// probe is what one way of measuring gave: a number as it was written, or an error.
type probe func(ctx context.Context) (text string, err error)

// read takes one reading. A probe that panics is a problem like others.
func (l *look) read(ctx context.Context, metric string, f probe) error {
	if ctx.Err() != nil {
		l.readings = append(l.readings, hosting.Reading{Metric: metric, Problem: fmt.Sprintf(
			"not looked at: the other probes of the instance took all of the %s it is given; see to those first", patience*l.Timeout)})
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, l.Timeout)
	text, err := guarded(limited, f)
	cancel()
	return l.note(ctx, metric, text, err)
}

// note keeps what a probe gave.
func (l *look) note(ctx context.Context, metric, text string, err error) error {
	if err == nil {
		value, problem := number(text)
		if problem == "" {
			l.readings = append(l.readings, hosting.Reading{Metric: metric, Value: value})
			return nil
		}
		err = &lie{problem, text}
	}
	problem, err := l.problem(ctx, err)
	if err != nil {
		return err
	}
	l.readings = append(l.readings, hosting.Reading{Metric: metric, Problem: problem})
	return nil
}

func guarded(ctx context.Context, f probe) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the probe broke down (%v): this is a mistake of frama's, please report it", p)
		}
	}()
	return f(ctx)
}

// lie is an answer that cannot be true.
type lie struct{ problem, came string }

func (l *lie) Error() string { return l.problem }

const (
	longest = 400  // characters of a problem
	shown   = 120  // characters that it shows of what came
	looked  = 4000 // characters in which secrets are looked for: what is shown is the beginning of those
)

// problem words why there is no value, without secrets. They are hidden before the text is cut short, since half a secret
// would not be found.
func (l *look) problem(ctx context.Context, err error) (string, error) {
	items, readErr := l.variable(context.WithoutCancel(ctx))
	if readErr != nil {
		return "", readErr
	}
	var secrets []string
	for name, value := range items {
		typed := slices.ContainsFunc(l.app.Values, func(v catalogue.Value) bool { return v.Name == name })
		if !typed { // what the association typed is no secret
			secrets = append(secrets, value)
		}
	}
	clean := func(text string, most int) string {
		return exchange.OneLine(exchange.Hide(exchange.OneLine(text, looked), secrets), most)
	}
	text := clean(err.Error(), longest)
	if l, ok := err.(*lie); ok { //nolint:errorlint // never wrapped
		if came := clean(l.came, shown); came != "" && !strings.Contains(text, came) {
			text += "; it begins with: " + came
		}
	}
	return text, nil
}

// manifest reads what the application's manifest says, but for queries, which are asked with the size of the database.
func (l *look) manifest(ctx context.Context) error {
	pages := 0
	for _, u := range l.run.Usage {
		if u.Path == "" {
			continue
		}
		pages++
		if len(exchange.Placeholders(u.Path)) > 0 {
			if _, err := l.variable(ctx); err != nil {
				return err
			}
		}
	}
	for _, u := range l.run.Usage {
		if u.From == "sql" {
			continue
		}
		if u.Path != "" {
			pages--
		}
		if err := l.read(ctx, u.Metric, l.probe(u, pages == 0)); err != nil {
			return err
		}
	}
	return nil
}

// probe is how the manifest says that a metric is measured. last says that no page is asked for after it.
func (l *look) probe(u catalogue.Usage, last bool) probe {
	return func(ctx context.Context) (string, error) {
		switch u.From {
		case "http-json", "prometheus":
			return l.page(ctx, u, last)
		case "exec":
			return l.number(ctx, u.Task, u.Command)
		case "files":
			return l.files(ctx, u.Pattern)
		}
		return "", fmt.Errorf("this frama cannot measure from %q: run a newer one", u.From)
	}
}

// values splits the variable into what people typed and what is secret.
func (l *look) values() (values, secrets map[string]string) {
	values, secrets = map[string]string{}, maps.Clone(l.items)
	for _, v := range l.app.Values {
		if value, known := secrets[v.Name]; known {
			values[v.Name] = value
			delete(secrets, v.Name)
		}
	}
	return values, secrets
}
