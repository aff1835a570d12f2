package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

func newQuotaCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "quota", GroupID: "ops", Short: "Limits of spaces and how they stand: list, show, explain, set, unset, exceptions, asks, answer"},
		newQuotaListCommand(c), newQuotaShowCommand(c), newQuotaExplainCommand(c), newQuotaSetCommand(c), newQuotaUnsetCommand(c),
		newQuotaExceptionsCommand(c), newQuotaAsksCommand(c), newQuotaAnswerCommand(c))
}

func newQuotaListCommand(c *cli) *cobra.Command {
	var order, level, metric, text string
	orders := []string{control.QuotaNear, control.QuotaGrowth, control.QuotaUnused}
	cmd := &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists spaces by how they stand with their limits, the nearest to one first",
		Example: "  frama quota list\n  frama quota list --level full\n  frama quota list --order growth --metric storage\n" +
			"  frama quota list --order unused           spaces that nobody used for a year",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("--order", order, orders); err != nil {
				return err
			}
			if level != "" {
				if err := oneOf("--level", level, strs(hosting.Levels())); err != nil {
					return err
				}
			}
			if order == control.QuotaUnused && level+metric != "" {
				return usageError{errors.New("--level and --metric say nothing about unused spaces, which are listed once each: leave them out, or choose another --order")}
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			page, err := a.control.Quotas(cmd.Context(), c.actor(), control.QuotaFilter{
				Order: order, Level: hosting.Level(level), Metric: metric, Text: text, Size: 200,
			})
			if err != nil {
				return err
			}
			return c.print(page.Rows, func(w io.Writer) { writeQuotas(w, page, order, level+metric+text != "") })
		},
	}
	choices(cmd, &order, "order", control.QuotaNear, orders)
	choices(cmd, &level, "level", "", strs(hosting.Levels()))
	cmd.Flags().StringVar(&metric, "metric", "", "only limits of this, e.g. storage, accounts, pads")
	cmd.Flags().StringVar(&text, "search", "", "words in name, association or address")
	return cmd
}

func writeQuotas(w io.Writer, page control.QuotaPage, order string, narrowed bool) {
	switch {
	case len(page.Rows) == 0 && narrowed:
		fmt.Fprintln(w, "No such space.")
		return
	case len(page.Rows) == 0 && order == control.QuotaUnused:
		fmt.Fprintln(w, "Every space was used within a year, as far as frama can tell.")
		return
	case len(page.Rows) == 0:
		fmt.Fprintln(w, "Nothing measured yet. frama serve measures every usage.every; at once: frama usage measure")
		return
	}
	t := newTable(w, "SPACE", "METRIC", "USED", "LIMIT", "", "LEVEL", "30 DAYS", "LAST USED", "PROBLEMS")
	for _, r := range page.Rows {
		growth := "-"
		if q := r.Quota; q.MonthAgo >= 0 {
			growth = grown(q.Metric, q.Used-q.MonthAgo)
		}
		share := ""
		if r.Quota.Limit >= 0 {
			share = percent(r.Quota.Permille())
		}
		problems := ""
		if r.Problems > 0 {
			problems = fmt.Sprint(r.Problems)
		}
		used := hosting.Figure(r.Quota.Metric, r.Quota.Used)
		if r.Quota.MeasuredAt.IsZero() {
			used, share = "not measured", ""
		}
		t.row(r.Space.Slug, r.Quota.Metric, used, hosting.Figure(r.Quota.Metric, r.Quota.Limit), share, string(r.Quota.Level),
			growth, day(r.ActiveAt), problems)
	}
	t.flush()
	if page.Total > len(page.Rows) {
		fmt.Fprintf(w, "%d of %d shown: narrow the list with --search, --level or --metric\n", len(page.Rows), page.Total)
	}
}

func newQuotaShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "show SPACE", Args: cobra.ExactArgs(1), Short: "Shows the limits of a space and what counts against them",
		Example: "  frama quota show les-lilas\n  frama quota show les-lilas --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onUsage(cmd, args[0], func(w io.Writer, v control.UsageView) {
				fmt.Fprintf(w, "%s (%s), plan %s version %d\n\n", v.Space.Name, v.Space.Slug, v.Space.Plan, v.Plan.Version)
				if !v.Measured {
					fmt.Fprintln(w, "Nothing measured yet: frama usage measure "+v.Space.Slug)
				}
				t := newTable(w)
				for _, q := range v.Quotas {
					share := ""
					if q.Limit >= 0 {
						share = bar(q.Permille(), 20) + " " + percent(q.Permille())
					}
					from := "plan"
					if q.Exception != nil {
						from = "exception, until " + day(q.Exception.ExpiresAt)
						if q.Exception.ExpiresAt.IsZero() {
							from = "exception, for good"
						}
					}
					used := hosting.Figure(q.Metric, q.Used)
					if q.MeasuredAt.IsZero() {
						share, used = "", "not measured,"
					}
					t.row(q.Metric, share, used+" of "+hosting.Figure(q.Metric, q.Limit), string(q.Level), from)
					for _, part := range q.Parts {
						t.row("", "", hosting.Figure(q.Metric, part.Value), part.App+" "+part.Metric, "")
					}
				}
				t.flush()
			})
		},
	}
}

// onUsage gets how a space stands and shows it.
func (c *cli) onUsage(cmd *cobra.Command, space string, show func(io.Writer, control.UsageView)) error {
	a, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer a.store.Close()
	v, err := a.control.SpaceUsage(cmd.Context(), c.actor(), space)
	if err != nil {
		return absent(err, "space", space, "frama space list")
	}
	return c.print(v, func(w io.Writer) { show(w, v) })
}

func newQuotaExplainCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "explain SPACE", Args: cobra.ExactArgs(1), Short: "Says in words why a space stands where it does, and what happens next",
		Example: "  frama quota explain les-lilas",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onUsage(cmd, args[0], func(w io.Writer, v control.UsageView) {
				if !v.Measured {
					fmt.Fprintln(w, "Nothing measured yet: frama usage measure "+v.Space.Slug)
				}
				for n, q := range v.Quotas {
					if n > 0 {
						fmt.Fprintln(w)
					}
					fmt.Fprint(w, explainQuota(v, q, now()))
				}
				for _, i := range v.Instances {
					for _, u := range i.Now {
						if u.Problem != "" {
							fmt.Fprintf(w, "\n%s of %s could not be read since %s: %s\n", u.Metric, i.App, u.Since.Local().Format(time.DateTime), printable(u.Problem))
						}
					}
				}
			})
		},
	}
}

// explainQuota puts one limit of a space into sentences.
func explainQuota(v control.UsageView, q control.QuotaView, at time.Time) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	measured := "not measured yet"
	if !q.MeasuredAt.IsZero() {
		measured = "measured " + q.MeasuredAt.Local().Format(time.DateTime)
	}
	say("%s: %s of %s used (%s).", q.Metric, hosting.Figure(q.Metric, q.Used), hosting.Figure(q.Metric, q.Limit), measured)
	for _, p := range q.Parts {
		say("  %s of it: %s of %s (%s)", hosting.Figure(q.Metric, p.Value), p.Metric, p.App, p.Kind)
	}
	if q.Exception != nil {
		say("The plan %s would allow %s; this space has an exception by %s, until %s: %s", v.Space.Plan, hosting.Figure(q.Metric, q.PlanLimit),
			q.Exception.CreatedBy, cmp.Or(strings.Trim(day(q.Exception.ExpiresAt), "-"), "further notice"), q.Exception.Reason)
	} else {
		say("The limit comes from the plan %s, version %d.", v.Space.Plan, v.Plan.Version)
	}
	if q.Limit >= 0 {
		say("It is at %s, which is level %s since %s.", percent(q.Permille()), q.Level, q.LevelSince.Local().Format(time.DateTime))
	}
	switch {
	case q.Stopped(at):
		say("Growth is stopped since %s, by: %s. Nothing is deleted, and it is allowed again by itself below the limit.",
			q.StopsAt.Local().Format(time.DateTime), strings.Join(q.Means, ", "))
	case !q.StopsAt.IsZero():
		say("Growth stops on %s unless usage falls below the limit or the limit is raised. Nothing is deleted.", q.StopsAt.Local().Format(time.DateTime))
	case q.Next.Level != "":
		say("Next: at %s (%d %%) it is level %s.", hosting.Figure(q.Metric, q.NextAt), q.Next.At, q.Next.Level)
	}
	if !q.Full.IsZero() {
		say("At the pace of the last 30 days, the limit is reached on %s.", day(q.Full))
	}
	say("To give it more: frama quota set %s %s AMOUNT --reason TEXT, or frama space change-plan %s PLAN", v.Space.Slug, q.Metric, v.Space.Slug)
	return b.String()
}
