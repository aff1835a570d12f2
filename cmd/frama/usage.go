package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

func newUsageCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "usage", GroupID: "ops", Short: "What spaces use: show, measure"},
		newUsageShowCommand(c), newUsageMeasureCommand(c))
}

func newUsageShowCommand(c *cli) *cobra.Command {
	var metric, span string
	ranges := []string{control.RangeWeek, control.RangeQuarter, control.RangeYear, control.RangeAll}
	cmd := &cobra.Command{
		Use: "show SPACE", Args: cobra.ExactArgs(1), Short: "Shows what each application of a space uses, or how a metric went",
		Example: "  frama usage show les-lilas\n  frama usage show les-lilas --history storage --range year\n" +
			"  frama usage show les-lilas --history pads --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("--range", span, ranges); err != nil {
				return err
			}
			if metric != "" {
				return c.showHistory(cmd, args[0], metric, span)
			}
			if cmd.Flags().Changed("range") {
				return usageError{errors.New("--range is for a curve: say of what with --history METRIC, e.g. --history storage")}
			}
			return c.onUsage(cmd, args[0], func(w io.Writer, v control.UsageView) {
				t := newTable(w, "APPLICATION", "METRIC", "VALUE", "MEASURED", "PROBLEM")
				for _, i := range v.Instances {
					if len(i.Now) == 0 {
						t.row(i.App, "", "", "never", "")
					}
					for _, u := range i.Now {
						value := "-"
						if !u.At.IsZero() {
							value = hosting.Figure(u.Metric, u.Value)
						}
						t.row(i.App, u.Metric, value, ago(u.At), u.Problem)
					}
				}
				t.flush()
				if !v.ActiveAt.IsZero() {
					fmt.Fprintf(w, "\nLast used %s.\n", v.ActiveAt.Local().Format(time.DateTime))
				}
			})
		},
	}
	cmd.Flags().StringVar(&metric, "history", "", "the curve of this `metric`, e.g. storage, accounts, pads")
	choices(cmd, &span, "range", control.RangeQuarter, ranges)
	return cmd
}

func (c *cli) showHistory(cmd *cobra.Command, space, metric, span string) error {
	a, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer a.store.Close()
	h, err := a.control.UsageHistory(cmd.Context(), c.actor(), space, metric, span)
	if err != nil {
		return absent(err, "space", space, "frama space list")
	}
	return c.print(h, func(w io.Writer) {
		if len(h.Points) == 0 {
			fmt.Fprintf(w, "No %s measured in this range.\n", metric)
			return
		}
		highest := int64(1)
		for _, p := range h.Points {
			highest = max(highest, p.Max)
		}
		if h.Limit > 0 {
			highest = max(highest, h.Limit)
		}
		t := newTable(w, "FROM", "LAST", "MOST", strings.TrimSpace("0 to "+hosting.Figure(h.Metric, highest)))
		for _, p := range h.Points {
			t.row(pointLabel(p.At, h.Step), hosting.Figure(h.Metric, p.Last), hosting.Figure(h.Metric, p.Max), bar(int(float64(p.Last)/float64(highest)*1000), 40))
		}
		t.flush()
	})
}

// pointLabel says when a point of a curve begins. Days are those of UTC: in local time west of it they would have the name of
// the day before.
func pointLabel(at time.Time, step time.Duration) string {
	if step < 24*time.Hour {
		return at.Local().Format(time.DateTime)
	}
	return at.UTC().Format(time.DateOnly)
}

func newUsageMeasureCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "measure [SPACE…]", Short: "Measures spaces now, all active ones where none is named",
		Long: `Measures the instances of spaces now, instead of when it is their turn, weighs them against their limits and says what
could not be read. It needs the cluster, as frama provision does.`,
		Example: "  frama usage measure les-lilas\n  frama usage measure --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			all, err := a.measureNow(cmd.Context(), args)
			if err != nil {
				return err
			}
			problems := 0
			for _, m := range all {
				for _, r := range m.Readings {
					if r.Problem != "" {
						problems++
					}
				}
			}
			err = c.print(all, func(w io.Writer) { writeMeasured(w, all, problems) })
			if err == nil && problems > 0 {
				err = errSilent
			}
			return err
		},
	}
}

// measured is an instance with what was read of it.
type measured struct {
	Space    string
	Instance hosting.Instance
	Readings []hosting.Reading
}

func writeMeasured(w io.Writer, all []measured, problems int) {
	if len(all) == 0 {
		fmt.Fprintln(w, "No active space yet: frama provision")
		return
	}
	t := newTable(w, "SPACE", "APPLICATION", "METRIC", "VALUE")
	for _, m := range all {
		for _, r := range m.Readings {
			value := hosting.Figure(r.Metric, r.Value)
			if r.Problem != "" {
				value = r.Problem
			}
			t.row(m.Space, m.Instance.App, r.Metric, value)
		}
	}
	t.flush()
	if problems > 0 {
		fmt.Fprintf(w, "%d figures could not be read: the last column says why.\n", problems)
	}
}
