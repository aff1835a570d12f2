package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

func newQuotaSetCommand(c *cli) *cobra.Command {
	var reason, until string
	cmd := &cobra.Command{
		Use: "set SPACE METRIC AMOUNT --reason TEXT", Args: cobra.ExactArgs(3), Short: "Gives a space a limit of its own, instead of its plan's",
		Long: `Gives a space a limit of its own for one metric, instead of its plan's: an exception, with a reason, for as long as
--until says. It ends the exception that the space had for that metric before. Nothing is deleted, whatever the limit.`,
		Example: "  frama quota set les-lilas storage 60GiB --reason \"festival in June\" --until 2027-07-31\n" +
			"  frama quota set les-lilas pads none --reason \"archive of the region\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := amount(args[1], args[2])
			if err != nil {
				return err
			}
			e := control.NewException{Metric: args[1], Limit: limit, Reason: reason}
			if until != "" {
				if e.ExpiresAt, err = time.ParseInLocation(time.DateOnly, until, time.Local); err != nil {
					return usageError{fmt.Errorf("--until: %q is no day: write it as 2027-07-31", until)}
				}
				e.ExpiresAt = e.ExpiresAt.AddDate(0, 0, 1).Add(-time.Second) // the whole of that day, which is what is shown everywhere
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			made, err := a.control.SetException(cmd.Context(), c.actor(), args[0], e)
			if err != nil {
				return absent(err, "space", args[0], "frama space list")
			}
			return c.print(made, func(w io.Writer) {
				fmt.Fprintf(w, "%s may have %s of %s now. Back to the plan: frama quota unset %s %s\n", args[0], hosting.Figure(made.Metric, made.Limit), made.Metric, args[0], args[1])
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept, and the association reads it")
	cmd.Flags().StringVar(&until, "until", "", "last day of it, as 2027-07-31; for good by default")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func newQuotaUnsetCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "unset SPACE METRIC", Args: cobra.ExactArgs(2), Short: "Ends an exception: the plan's limit holds again",
		Example: "  frama quota unset les-lilas storage",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			if err := a.control.EndException(cmd.Context(), c.actor(), args[0], args[1]); err != nil {
				return absent(err, "space with an exception for "+args[1]+":", args[0], "frama quota exceptions")
			}
			return c.print(map[string]string{"space": args[0], "metric": args[1]}, func(w io.Writer) {
				fmt.Fprintf(w, "The plan's limit of %s holds for %s again.\n", args[1], args[0])
			})
		},
	}
}

func newQuotaExceptionsCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "exceptions [SPACE]", Args: cobra.MaximumNArgs(1), Short: "Lists limits that differ from the plan's, with their reasons",
		Example: "  frama quota exceptions\n  frama quota exceptions les-lilas     also those that ended",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			space := ""
			if len(args) == 1 {
				space = args[0]
			}
			all, err := a.control.Exceptions(cmd.Context(), c.actor(), space)
			if err != nil {
				return absent(err, "space", space, "frama space list")
			}
			return c.print(all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "None: every limit is that of the plan.")
					return
				}
				t := newTable(w, "SPACE", "METRIC", "LIMIT", "SINCE", "UNTIL", "BY", "REASON")
				for _, e := range all {
					until := day(e.ExpiresAt)
					if !e.EndedAt.IsZero() {
						until = "ended " + day(e.EndedAt)
					}
					t.row(e.Space.Slug, e.Metric, hosting.Figure(e.Metric, e.Limit), day(e.CreatedAt), until, e.CreatedBy, e.Reason)
				}
				t.flush()
			})
		},
	}
}

func newQuotaAsksCommand(c *cli) *cobra.Command {
	var state string
	states := []string{"all", string(hosting.AskOpen), string(hosting.AskGranted), string(hosting.AskDeclined)}
	cmd := &cobra.Command{
		Use: "asks", Args: cobra.NoArgs, Short: "Lists associations that ask for more, the oldest first",
		Example: "  frama quota asks\n  frama quota asks --state all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("--state", state, states); err != nil {
				return err
			}
			wanted := hosting.AskState(state)
			if state == "all" {
				wanted = ""
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			all, err := a.control.Asks(cmd.Context(), c.actor(), wanted)
			if err != nil {
				return err
			}
			return c.print(all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "Nobody asks for more.")
					return
				}
				t := newTable(w, "ID", "SPACE", "STATE", "WANTS", "HAS", "SINCE", "REASON")
				for _, ask := range all {
					wants, has := "plan "+ask.Plan, "plan "+ask.Space.Plan
					if ask.Plan == "" {
						wants = hosting.Figure(ask.Metric, ask.Wanted) + " of " + ask.Metric
						has = hosting.Figure(ask.Metric, ask.Quota.Used) + " of " + hosting.Figure(ask.Metric, ask.Quota.Limit)
					}
					t.row(ask.ID, ask.Space.Slug, string(ask.State), wants, has, ago(ask.CreatedAt), ask.Reason)
				}
				t.flush()
			})
		},
	}
	choices(cmd, &state, "state", string(hosting.AskOpen), states)
	return cmd
}

func newQuotaAnswerCommand(c *cli) *cobra.Command {
	var grant, decline bool
	var answer string
	cmd := &cobra.Command{
		Use: "answer ID (--grant | --decline) [--answer TEXT]", Args: cobra.ExactArgs(1), Short: "Answers an association that asks for more; the answer is mailed",
		Example: "  frama quota answer 01908f6e-… --grant\n  frama quota answer 01908f6e-… --decline --answer \"Faites d’abord le tri des vidéos.\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			if grant == decline {
				return usageError{errors.New("say --grant or --decline")}
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			if err := a.control.AnswerAsk(cmd.Context(), c.actor(), args[0], grant, answer); err != nil {
				return absent(err, "wish", args[0], "frama quota asks --state all")
			}
			return c.print(map[string]any{"id": args[0], "granted": grant}, func(w io.Writer) { fmt.Fprintln(w, "Done; the answer is on its way.") })
		},
	}
	cmd.Flags().BoolVar(&grant, "grant", false, "it gets what it asks for")
	cmd.Flags().BoolVar(&decline, "decline", false, "it does not; --answer says why")
	cmd.Flags().StringVar(&answer, "answer", "", "what the association reads")
	return cmd
}
