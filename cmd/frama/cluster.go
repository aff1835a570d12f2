package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

func newClusterCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "cluster", GroupID: "ops", Short: "Clusters: what they have, and what is promised: status"}, newClusterStatusCommand(c))
}

func newClusterStatusCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "status", Args: cobra.NoArgs, Short: "Shows what a cluster has, what is promised and used, and when it is full",
		Example: "  frama cluster status\n  frama cluster status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			all, err := a.control.Clusters(cmd.Context(), c.actor())
			if err != nil {
				return err
			}
			return c.print(all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "No cluster was looked at yet: frama serve does so every minute. frama doctor says whether Nomad answers.")
				}
				for _, v := range all {
					writeCluster(w, v, now())
				}
			})
		},
	}
}

func writeCluster(w io.Writer, v control.ClusterView, at time.Time) {
	if v.SeenAt.IsZero() {
		fmt.Fprintf(w, "cluster %s was not looked at yet: approvals promise without a limit. frama serve looks every minute.\n", v.Cluster)
		return
	}
	fmt.Fprintf(w, "cluster %s: %d nodes, seen %s ago; overcommit: CPU %g, memory %g\n\n", v.Cluster, v.Nodes, at.Sub(v.SeenAt).Round(time.Second), v.Overcommit.CPU, v.Overcommit.Memory)
	t := newTable(w, "", "ALLOCATABLE", "TO PROMISE", "RESERVED", "", "USED", "HELD BY OTHERS")
	for _, r := range []struct {
		name string
		pick func(hosting.Resources) int
	}{
		{"CPU, MHz", func(r hosting.Resources) int { return r.CPU }}, {"memory, MiB", func(r hosting.Resources) int { return r.Memory }},
		{"disk, MiB", func(r hosting.Resources) int { return r.Disk }},
	} {
		share := 0
		if most := r.pick(v.Promisable); most > 0 {
			share = r.pick(v.Reserved) * 1000 / most
		}
		t.row(r.name, fmt.Sprint(r.pick(v.Allocatable)), fmt.Sprint(r.pick(v.Promisable)), fmt.Sprint(r.pick(v.Reserved)), bar(share, 20)+" "+percent(share),
			fmt.Sprint(r.pick(v.Used)), fmt.Sprint(r.pick(v.Foreign)))
	}
	t.flush()
	if v.Waiting > 0 {
		fmt.Fprintf(w, "\n%d requests wait for room: %d MHz, %d MiB of memory, %d MiB of disk. frama request list --state waiting\n", v.Waiting, v.Needed.CPU, v.Needed.Memory, v.Needed.Disk)
	}
	var full []string
	for _, f := range v.Forecast {
		if !f.FullAt.IsZero() {
			full = append(full, fmt.Sprintf("%s full in %d weeks at this pace (%s)", f.Resource, max(0, int(f.FullAt.Sub(at).Hours()/24/7)), day(f.FullAt)))
		}
	}
	if len(full) > 0 {
		fmt.Fprintf(w, "\n%s.\n", strings.Join(full, "; "))
	}
}

func newCostCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "cost", GroupID: "ops", Args: cobra.NoArgs, Short: "Shows what the spaces cost a month, in all and each",
		Long: `Shows what the spaces cost a month, from the figures under [cost] in the configuration. A space's share is by what it
reserves of memory and of disk, half each; what the host's own shared spaces reserve is spread over all.`,
		Example: "  frama cost\n  frama cost --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			v, err := a.control.Costs(cmd.Context(), c.actor())
			if err != nil {
				return err
			}
			return c.print(v, func(w io.Writer) { writeCosts(w, v) })
		},
	}
}

func writeCosts(w io.Writer, v control.CostView) {
	if !v.Known {
		fmt.Fprintln(w, "No figures yet: set cost.servers, cost.hours, cost.hour_rate and cost.other in the configuration (frama config keys).")
		return
	}
	fmt.Fprintf(w, "%.2f %s a month: servers %.2f, people %.2f, other %.2f; %d spaces\n", v.Total, v.Currency, v.Servers, v.People, v.Other, v.Count)
	if v.Suite > 0 {
		fmt.Fprintf(w, "%d accounts would cost %.2f %s a month in a commercial suite.\n", v.Accounts, v.Suite, v.Currency)
	}
	if v.KWh > 0 {
		fmt.Fprintf(w, "Energy: %.0f kWh a month", v.KWh)
		if v.KgCO2 > 0 {
			fmt.Fprintf(w, ", %.1f kg of CO2 equivalent", v.KgCO2)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	t := newTable(w, "SPACE", "SHARE", v.Currency+" A MONTH", "ACCOUNTS", "COMMERCIAL SUITE", "KWH")
	for _, s := range v.Spaces {
		accounts, suite, energy := "-", "-", "-"
		if s.Accounts >= 0 {
			accounts = fmt.Sprint(s.Accounts)
		}
		if s.Suite > 0 {
			suite = fmt.Sprintf("%.2f", s.Suite)
		}
		if s.KWh > 0 {
			energy = fmt.Sprintf("%.1f", s.KWh)
		}
		t.row(s.Space.Slug, fmt.Sprintf("%.1f %%", s.Share*100), fmt.Sprintf("%.2f", s.Amount), accounts, suite, energy)
	}
	t.flush()
	if v.Count > len(v.Spaces) {
		fmt.Fprintf(w, "the %d dearest of %d\n", len(v.Spaces), v.Count)
	}
}
