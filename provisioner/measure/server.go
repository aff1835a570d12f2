package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/hosting"
)

// servers measures what the instance has on backing servers: the bytes of its database and its bucket, and what the
// manifest counts with queries.
func (l *look) servers(ctx context.Context) error {
	for _, kind := range []string{"postgres", "mysql", "s3"} {
		if !slices.Contains(l.run.Needs, kind) {
			continue
		}
		if _, err := l.variable(ctx); err != nil {
			return err
		}
		metric := hosting.MetricDatabaseBytes
		var names, queries []string
		if kind == "s3" {
			metric = hosting.MetricBucketBytes
		} else {
			for _, u := range l.run.Usage {
				if u.From == "sql" {
					names, queries = append(names, u.Metric), append(queries, u.Query)
				}
			}
		}
		answers := l.ask(ctx, kind, queries)
		for n, name := range append([]string{metric}, names...) {
			if err := l.note(ctx, name, answers[n].Text, answers[n].Err); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask asks the server that gave the instance what it has: for its bytes, then each query.
func (l *look) ask(ctx context.Context, kind string, queries []string) (answers []provisioner.Answer) {
	failed := func(err error) []provisioner.Answer {
		all := make([]provisioner.Answer, len(queries)+1)
		for n := range all {
			all[n].Err = err
		}
		return all
	}
	defer func() {
		if p := recover(); p != nil {
			answers = failed(fmt.Errorf("the probe broke down (%v): this is a mistake of frama's, please report it", p))
		}
	}()
	if ctx.Err() != nil {
		return failed(errors.New("not looked at: the other probes of the instance took all of its time; see to those first"))
	}
	for _, s := range l.Servers {
		asked, can := s.Backing.(provisioner.Asked)
		if !can || s.Kind() != kind || !asked.Gave(l.items) {
			continue
		}
		size, rest := asked.Ask(ctx, l.items, l.Timeout, queries)
		return append([]provisioner.Answer{size}, rest...)
	}
	return failed(fmt.Errorf("the variable of job %s leads to no declared %s server: if the server's seen_as changed, frama backing check --repair "+
		"writes the new one", l.Job, kind))
}
