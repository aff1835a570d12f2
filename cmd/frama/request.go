package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

const allRequests = "frama request list --state all"

func newRequestCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "request", GroupID: "ops", Short: "Requests of associations: list, show, approve, refuse"},
		newRequestListCommand(c), newRequestShowCommand(c), newRequestApproveCommand(c), newRequestRefuseCommand(c))
}

func newRequestListCommand(c *cli) *cobra.Command {
	var state, text string
	states := append([]string{"all"}, strs(hosting.RequestStates())...)
	cmd := &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists requests; those that wait for a decision by default",
		Example: "  frama request list\n  frama request list --state all --search lilas --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter := control.RequestFilter{State: hosting.RequestState(state), Text: text, Size: 200}
			if state == "all" {
				filter.State = ""
			} else if err := oneOf("--state", state, states); err != nil {
				return err
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			page, err := a.control.Requests(cmd.Context(), c.actor(), filter)
			if err != nil {
				return err
			}
			return c.print(page.Requests, func(w io.Writer) {
				if len(page.Requests) == 0 {
					fmt.Fprintln(w, "No such request. The form is at "+a.config.PublicURL+"/request")
					return
				}
				table := newTable(w, "ID", "STATE", "NAME", "ASSOCIATION", "KINDS", "PLAN", "SINCE")
				for _, q := range page.Requests {
					table.row(q.ID, string(q.State), q.Slug, q.Association.Name, strings.Join(q.Kinds, ","), q.Plan, ago(q.CreatedAt))
				}
				table.flush()
				if page.Total > len(page.Requests) {
					fmt.Fprintf(w, "%d of %d shown: narrow the list with --search\n", len(page.Requests), page.Total)
				}
			})
		},
	}
	choices(cmd, &state, "state", string(hosting.RequestPending), states)
	cmd.Flags().StringVar(&text, "search", "", "words in name, contact, address or number")
	return cmd
}

func newRequestShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Args: cobra.ExactArgs(1), Short: "Shows one request",
		Example: "  frama request show 01908f6e-…",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			v, err := a.control.Request(cmd.Context(), c.actor(), args[0])
			if err != nil {
				return absent(err, "request", args[0], allRequests)
			}
			return c.print(v, func(w io.Writer) {
				q := v.Request
				table := newTable(w)
				table.row("association", q.Association.Name)
				table.row("numbers", strings.TrimSpace(q.Association.RNA+" "+q.Association.SIRET))
				table.row("website", q.Association.Website)
				table.row("contact", q.Contact.Name+" <"+q.Contact.Email+"> ("+q.Contact.Lang+")")
				table.row("name", q.Slug)
				table.row("kinds", strings.Join(q.Kinds, ", "))
				table.row("plan", q.Plan)
				if v.Room.Known && !v.Room.Fits {
					table.row("room", fmt.Sprintf("none now: %d MHz, %d MiB of memory, %d MiB of disk are free, %d requests wait", v.Room.Free.CPU, v.Room.Free.Memory, v.Room.Free.Disk, v.Room.Ahead))
				}
				table.row("would reserve", fmt.Sprintf("%d MHz, %d MiB of memory, %d MiB of disk", v.Cost.CPU, v.Cost.Memory, v.Cost.Disk))
				table.row("charter", q.CharterVersion)
				table.row("state", string(q.State)+" "+q.Reason)
				table.row("received", q.CreatedAt.Local().Format(time.RFC1123))
				table.flush()
				fmt.Fprintf(w, "\n%s\n", q.Purpose)
				if v.Name.Problem != "" {
					fmt.Fprintf(w, "\nThe name cannot be had: %s\n", v.Name.Problem)
				}
			})
		},
	}
}

func newRequestApproveCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "approve ID…", Args: cobra.MinimumNArgs(1), Short: "Approves requests",
		Long: `Approves requests: each gets its space and a run that frama provision executes, and the association a mail. One that the
cluster has no room for waits, keeps its name, and is admitted once there is room.`,
		Example: "  frama request approve 01908f6e-… && frama provision",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			for _, id := range args {
				approval, err := a.control.Approve(cmd.Context(), c.actor(), id)
				if err != nil {
					return absent(fmt.Errorf("request %s: %w", id, err), "request", id, allRequests)
				}
				if approval.Waiting {
					err = c.print(map[string]string{"waiting": id}, func(w io.Writer) {
						fmt.Fprintln(w, "Approved, and waits for room on the cluster: frama cluster status. It is admitted by itself once there is some.")
					})
				} else {
					space := approval.Space
					err = c.print(space, func(w io.Writer) {
						fmt.Fprintf(w, "Approved: space %s. Next: frama provision %s\n", space.Handle, space.Slug)
					})
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func newRequestRefuseCommand(c *cli) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "refuse ID --reason TEXT", Args: cobra.ExactArgs(1), Short: "Refuses a request, with a reason that is mailed",
		Example: `  frama request refuse 01908f6e-… --reason "Nous ne pouvons accueillir que des associations du département."`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			if err := a.control.Refuse(cmd.Context(), c.actor(), args[0], reason); err != nil {
				return absent(err, "request", args[0], allRequests)
			}
			return c.print(map[string]string{"refused": args[0]}, func(w io.Writer) { fmt.Fprintln(w, "Refused; the reason is on its way.") })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, as the association will read it")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

// table aligns columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

func (t table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// printable replaces control characters by spaces. Messages hold what programs elsewhere said, which must neither move
// the cursor of a terminal nor break a table.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
func (t table) flush() { _ = t.w.Flush() }

func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	switch d := time.Since(t); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

func oneOf(flag, value string, allowed []string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return usageError{fmt.Errorf("%s: %q is none of %s", flag, value, strings.Join(allowed, ", "))}
}

func strs[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}
