package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/work"
)

func newRunCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "run", GroupID: "ops", Short: "Runs, the durable work on spaces: list, show, retry"},
		newRunListCommand(c), newRunShowCommand(c), newRunRetryCommand(c))
}

func newRunListCommand(c *cli) *cobra.Command {
	var state string
	states := []string{"ready", "running", "parked", "done", "withdrawn"}
	cmd := &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists runs, the newest first",
		Example: "  frama run list --state parked",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if state != "" {
				if err := oneOf("--state", state, states); err != nil {
					return err
				}
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			runs, err := a.control.Runs(cmd.Context(), c.actor(), work.RunState(state), 200)
			if err != nil {
				return err
			}
			return c.print(runs, func(w io.Writer) {
				if len(runs) == 0 {
					fmt.Fprintln(w, "No such run.")
					return
				}
				t := newTable(w, "ID", "KIND", "STATE", "STEP", "SINCE", "MESSAGE")
				for _, r := range runs {
					step, _ := r.Current()
					t.row(r.ID, r.Kind, string(r.State), step.Name, ago(r.CreatedAt), step.Message)
				}
				t.flush()
			})
		},
	}
	choices(cmd, &state, "state", "", states)
	return cmd
}

func newRunShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Args: cobra.ExactArgs(1), Short: "Shows a run and its steps", Example: "  frama run show 01908f6e-…",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			r, err := a.control.Run(cmd.Context(), c.actor(), args[0])
			if err != nil {
				return absent(err, "run", args[0], "frama run list")
			}
			return c.print(r, func(w io.Writer) { writeRun(w, r) })
		},
	}
}

func newRunRetryCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "retry ID…", Args: cobra.MinimumNArgs(1), Short: "Makes parked runs ready again; steps that are done stay done",
		Example: "  frama run retry 01908f6e-… && frama provision",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			for _, id := range args {
				if err := a.control.RetryRun(cmd.Context(), c.actor(), id); err != nil {
					return absent(fmt.Errorf("run %s: %w", id, err), "run", id, "frama run list")
				}
			}
			return c.print(map[string]any{"ready": args}, func(w io.Writer) { fmt.Fprintln(w, "Ready. Next: frama provision") })
		},
	}
}
