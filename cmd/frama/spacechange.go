package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

func newSpaceChangePlanCommand(c *cli) *cobra.Command {
	var yes, dry bool
	cmd := &cobra.Command{
		Use: "change-plan SPACE PLAN", Args: cobra.ExactArgs(2), Short: "Gives a space another plan: its limits, and what its applications reserve",
		Long: `Gives a space another plan: its limits change at once, and a run gives its applications the memory, CPU and disk of
the plan; each restarts once. It is refused where the cluster has no room, or where a volume would be smaller than what
is in it. Nothing is deleted.`,
		Example: "  frama space change-plan les-lilas standard\n  frama space change-plan les-lilas standard --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			move, err := a.control.PreviewPlan(cmd.Context(), c.actor(), args[0], args[1])
			if err != nil {
				return absent(err, "space", args[0], "frama space list")
			}
			if dry {
				return c.print(move, func(w io.Writer) { writePlanMove(w, move) })
			}
			if !c.json {
				writePlanMove(c.out, move)
			}
			if err := c.agree(yes, fmt.Sprintf("Give %s the plan %s?", move.Space.Slug, move.To)); err != nil {
				return err
			}
			space, err := a.control.ChangePlan(cmd.Context(), c.actor(), args[0], args[1])
			if err != nil {
				return err
			}
			return c.print(space, func(w io.Writer) {
				fmt.Fprintf(w, "The limits hold now. For what its applications reserve: frama provision %s\n", space.Slug)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would change")
	return cmd
}

func writePlanMove(w io.Writer, m control.PlanMove) {
	fmt.Fprintf(w, "%s: plan %s → %s\n", m.Space.Slug, m.From, m.To)
	t := newTable(w, "  RESERVED", "NOW", "THEN")
	for _, r := range []struct {
		name         string
		before, then int
	}{{"CPU, MHz", m.Before.CPU, m.After.CPU}, {"memory, MiB", m.Before.Memory, m.After.Memory}, {"disk, MiB", m.Before.Disk, m.After.Disk}} {
		t.row("  "+r.name, fmt.Sprint(r.before), fmt.Sprint(r.then))
	}
	t.flush()
	if len(m.Effects) > 0 {
		t := newTable(w, "  LIMIT", "USED", "NOW", "THEN", "LEVEL NOW", "THEN")
		for _, e := range m.Effects {
			t.row("  "+e.Metric, hosting.Figure(e.Metric, e.Used), hosting.Figure(e.Metric, e.Before), hosting.Figure(e.Metric, e.After), string(e.LevelBefore), string(e.LevelAfter))
		}
		t.flush()
	}
	if !m.Fits {
		fmt.Fprintln(w, "The cluster has no room for it: frama cluster status")
	}
}

func newSpaceWithdrawCommand(c *cli) *cobra.Command {
	var yes bool
	var reason string
	cmd := &cobra.Command{
		Use: "withdraw SPACE --reason TEXT", Args: cobra.ExactArgs(1), Short: "Takes back an approved space that nothing was made for yet",
		Long: `Takes back a space that was approved and that no worker began: what was reserved for it is free again, and the reason is
mailed to the association. A space that is being provisioned or open cannot be withdrawn.`,
		Example: `  frama space withdraw les-lilas --reason "Votre demande faisait double emploi."`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			if err := c.agree(yes, fmt.Sprintf("Withdraw %s, and mail the reason?", args[0])); err != nil {
				return err
			}
			if err := a.control.Withdraw(cmd.Context(), c.actor(), args[0], reason); err != nil {
				if hosting.CodeOf(err) == hosting.Conflict {
					return errors.New("it was begun already: only a space that is approved and that nothing was made for can be withdrawn")
				}
				return absent(err, "space", args[0], "frama space list --state approved")
			}
			return c.print(map[string]string{"withdrawn": args[0]}, func(w io.Writer) { fmt.Fprintln(w, "Withdrawn; the reason is on its way.") })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, as the association will read it")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}
