package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

func newPlanCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "plan", GroupID: "ops", Short: "Plans, the limits that spaces get: list, diff, apply"},
		newPlanListCommand(c), newPlanDiffCommand(c), newPlanApplyCommand(c))
}

func newPlanListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists the plans in force",
		Example: "  frama plan list\n  frama plan list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			plans, err := a.control.Plans(cmd.Context(), c.actor())
			if err != nil {
				return err
			}
			return c.print(plans, func(w io.Writer) {
				t := newTable(w, "PLAN", "VERSION", "IN FORCE SINCE", "BY", "LIMITS", "THRESHOLDS", "RETENTION")
				for _, p := range plans {
					t.row(p.Plan, fmt.Sprint(p.Version), day(p.AppliedAt), p.AppliedBy, limits(p.Limits), thresholds(p.Thresholds), retention(p.Retention))
				}
				t.flush()
			})
		},
	}
}

// limits writes the limits of a plan, by name.
func limits(all hosting.Limits) string {
	var list []string
	for _, metric := range slices.Sorted(maps.Keys(all)) {
		list = append(list, metric+" "+hosting.Figure(metric, all[metric]))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func thresholds(all []hosting.Threshold) string {
	var list []string
	for _, t := range all {
		text := fmt.Sprintf("%s %d %%", t.Level, t.At)
		if t.Stops {
			text += fmt.Sprintf(" (growth stops after %s)", daysOrHours(t.Grace))
			if t.Grace == 0 {
				text = fmt.Sprintf("%s %d %% (growth stops)", t.Level, t.At)
			}
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// retention writes what is removed when nobody changes it.
func retention(rules []hosting.RetentionRule) string {
	var list []string
	for _, r := range rules {
		list = append(list, fmt.Sprintf("%s removed after %s without a change, announced %s before", r.Metric, daysOrHours(r.Unused), daysOrHours(r.Announce)))
	}
	if len(list) == 0 {
		return "nothing is removed"
	}
	return strings.Join(list, ", ")
}

// daysOrHours writes a duration of a plan, which is whole hours.
func daysOrHours(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return fmt.Sprintf("%d hours", d/time.Hour)
}

func newPlanDiffCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "diff", Args: cobra.NoArgs, Short: "Shows where the plans' files differ from what is in force, and whom that affects",
		Long: `Compares the plans in the catalogue's folders with those in force. Editing a file changes nothing for any space: a plan
with a higher version is put in force by frama plan apply.`,
		Example: "  frama plan diff",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			changes, err := a.control.PlanChanges(cmd.Context(), c.actor())
			if err != nil {
				return err
			}
			return c.print(changes, func(w io.Writer) {
				if len(changes) == 0 {
					fmt.Fprintln(w, "The files say what is in force.")
				}
				for _, change := range changes {
					c.writePlanChange(w, change)
				}
			})
		},
	}
}

func (c *cli) writePlanChange(w io.Writer, change control.PlanChange) {
	if change.Current == nil {
		fmt.Fprintf(w, "plan %s version %d (%s) is new: %s; %s; %s\n", change.Plan, change.New.Version, change.Where, limits(change.New.Limits), thresholds(change.New.Thresholds),
			retention(change.New.Retention))
	} else {
		fmt.Fprintf(w, "plan %s, %d spaces (%s)\n  in force: version %d: %s; %s; %s\n  file:     version %d: %s; %s; %s\n", change.Plan, change.Spaces, change.Where,
			change.Current.Version, limits(change.Current.Limits), thresholds(change.Current.Thresholds), retention(change.Current.Retention),
			change.New.Version, limits(change.New.Limits), thresholds(change.New.Thresholds), retention(change.New.Retention))
	}
	if change.Problem != "" {
		fmt.Fprintf(w, "  It cannot be applied: %s\n", planProblem(change))
	}
	if len(change.Affected) > 0 {
		t := newTable(w, "  SPACE", "METRIC", "USED", "LIMIT NOW", "THEN", "LEVEL NOW", "THEN")
		for _, e := range change.Affected {
			t.row("  "+e.Space.Slug, e.Metric, hosting.Figure(e.Metric, e.Used), hosting.Figure(e.Metric, e.Before), hosting.Figure(e.Metric, e.After), string(e.LevelBefore), string(e.LevelAfter))
		}
		t.flush()
	}
	if more := change.Effects - len(change.Affected); more > 0 {
		fmt.Fprintf(w, "  and %d more limits of spaces\n", more)
	}
	if change.Effects == 0 {
		fmt.Fprintln(w, "  No space gets another limit or level.")
	}
}

// planProblem says why a change cannot be applied.
func planProblem(change control.PlanChange) string {
	words, err := locale.Load()
	if err != nil {
		return change.Problem
	}
	return words.T("en", change.Problem, change.Plan, change.New.Version, change.Current.Version)
}

func newPlanApplyCommand(c *cli) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "apply PLAN", Args: cobra.ExactArgs(1), Short: "Puts the file's version of a plan in force, after showing whom it affects",
		Example: "  frama plan diff && frama plan apply starter\n  frama plan apply starter --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			changes, err := a.control.PlanChanges(cmd.Context(), c.actor())
			if err != nil {
				return err
			}
			n := slices.IndexFunc(changes, func(change control.PlanChange) bool { return change.Plan == args[0] })
			if n < 0 {
				if _, known := a.catalogue.Plan(args[0]); !known {
					return fmt.Errorf("there is no plan %q: frama plan list shows those there are", args[0])
				}
				return c.print(map[string]any{"plan": args[0], "applied": false}, func(w io.Writer) { fmt.Fprintln(w, "The file says what is in force: nothing to apply.") })
			}
			change := changes[n]
			if !c.json {
				c.writePlanChange(c.out, change)
			}
			if change.Problem != "" {
				return fmt.Errorf("nothing was changed: %s (%s)", planProblem(change), change.Where)
			}
			if err := c.agree(yes, fmt.Sprintf("Put version %d of %s in force?", change.New.Version, change.Plan)); err != nil {
				return err
			}
			if err := a.control.ApplyPlan(cmd.Context(), c.actor(), change.Plan, change.New.Version); err != nil {
				return err
			}
			changed, err := a.control.Reweigh(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(map[string]any{"plan": change.Plan, "version": change.New.Version, "applied": true, "levels_changed": changed}, func(w io.Writer) {
				fmt.Fprintf(w, "Version %d of %s is in force; %d spaces are at another level now.\n", change.New.Version, change.Plan, changed)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
