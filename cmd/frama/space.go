package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

func newSpaceCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "space", GroupID: "ops", Short: "Spaces of associations: list, show, change-plan, withdraw"},
		newSpaceListCommand(c), newSpaceShowCommand(c), newSpaceChangePlanCommand(c), newSpaceRegisterCommand(c), newSpaceWithdrawCommand(c))
}

func newSpaceListCommand(c *cli) *cobra.Command {
	var state, text string
	cmd := &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists spaces",
		Example: "  frama space list\n  frama space list --state failed\n  frama space list --search lilas --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if state != "" {
				if err := oneOf("--state", state, strs(hosting.SpaceStates())); err != nil {
					return err
				}
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			page, err := a.control.Spaces(cmd.Context(), c.actor(), control.SpaceFilter{State: hosting.SpaceState(state), Text: text, Size: 200})
			if err != nil {
				return err
			}
			return c.print(page.Spaces, func(w io.Writer) {
				if len(page.Spaces) == 0 && state+text != "" {
					fmt.Fprintln(w, "No such space.")
					return
				}
				if len(page.Spaces) == 0 {
					fmt.Fprintln(w, "No space yet. Requests that wait for a decision: frama request list")
					return
				}
				t := newTable(w, "NAME", "STATE", "ASSOCIATION", "PLAN", "INSTANCES", "SINCE")
				for _, v := range page.Spaces {
					var kinds []string
					for _, i := range v.Instances {
						text := i.Kind + ":" + string(i.Health)
						if i.Shared {
							text += " (shared)"
						}
						kinds = append(kinds, text)
					}
					name := v.Space.Name
					if v.Space.Shared {
						name += " (the host's own)"
					}
					t.row(v.Space.Slug, string(v.Space.State), name, v.Space.Plan, strings.Join(kinds, " "), ago(v.Space.CreatedAt))
				}
				t.flush()
				if page.Total > len(page.Spaces) {
					fmt.Fprintf(w, "%d of %d shown: narrow the list with --search or --state\n", len(page.Spaces), page.Total)
				}
			})
		},
	}
	choices(cmd, &state, "state", "", strs(hosting.SpaceStates()))
	cmd.Flags().StringVar(&text, "search", "", "words in name, association or address")
	return cmd
}

func newSpaceShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "show SPACE", Args: cobra.ExactArgs(1), Short: "Shows a space, its instances, certificates and runs",
		Example: "  frama space show les-lilas\n  frama space show commons-sympa   a space of the host's own, and who uses it",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			v, err := a.control.Space(cmd.Context(), c.actor(), args[0])
			if err != nil {
				return absent(err, "space", args[0], "frama space list")
			}
			return c.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "%s (%s), %s, plan %s, handle %s\n\n", v.Space.Name, v.Space.Slug, v.Space.State, v.Space.Plan, v.Space.Handle)
				if v.Space.Shared {
					writeUsers(w, v)
				}
				t := newTable(w, "KIND", "APPLICATION", "HEALTH", "ADDRESS", "CERTIFICATE UNTIL")
				for _, i := range v.Instances {
					until := "none yet"
					if i.Shared {
						until = "shared with the host's other associations"
					} else if i.Certificate != nil && i.Certificate.State == hosting.CertificateValid {
						until = i.Certificate.NotAfter.Local().Format(time.DateOnly)
					} else if i.Certificate != nil && i.Certificate.LastError != "" {
						until = i.Certificate.LastError
					}
					t.row(i.Kind, i.App+" "+i.Version, string(i.Health), i.URL, until)
				}
				t.flush()
				for _, run := range v.Runs {
					fmt.Fprintln(w)
					writeRun(w, run)
				}
			})
		},
	}
}

// writeUsers says who uses a space of the host's own.
func writeUsers(w io.Writer, v control.SpaceView) {
	users := make([]string, len(v.UsedBy))
	for n, s := range v.UsedBy {
		users[n] = s.Slug
	}
	text := "nobody yet"
	if v.Users > 0 {
		text = strings.Join(users, ", ")
	}
	if more := v.Users - len(users); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	fmt.Fprintf(w, "The host's own: associations share what runs in it. Used by: %s\n\n", text)
}

func writeRun(w io.Writer, run work.Run) {
	fmt.Fprintf(w, "run %s: %s, %s, %s\n", run.ID, run.Kind, run.State, run.CreatedAt.Local().Format(time.DateTime))
	t := newTable(w)
	for _, s := range run.Steps {
		spent := ""
		if !s.EndedAt.IsZero() && !s.StartedAt.IsZero() {
			spent = fmt.Sprintf("%.1f s", s.EndedAt.Sub(s.StartedAt).Seconds())
		}
		t.row("  "+s.Name, string(s.State), spent, s.Message)
	}
	t.flush()
}
