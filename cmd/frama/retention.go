package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/provisioner/retain"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// retainEvery is how often frama serve looks whose content it is time to look at: each instance once a day.
const retainEvery = time.Hour

// keepRetention holds content to the rules of retention of plans in force, until ctx ends.
func (a *app) keepRetention(ctx context.Context, group *errgroup.Group, cluster provisioner.Cluster) {
	retainer := a.retainer(cluster)
	a.every(ctx, group, retainEvery, "content could not be held to the rules of retention", func(ctx context.Context) error {
		_, err := retainer.Once(ctx, retain.Ask{})
		return err
	})
}

func (a *app) retainer(cluster provisioner.Cluster) *retain.Retainer {
	return retain.New(retain.Options{
		Store: a.store, Catalogue: a.catalogue, Archive: a.config.Usage.Archive, URL: a.control.URL,
		MailDomain: a.control.MailDomain(), Now: now, Log: a.log,
		Talk: func(ctx context.Context, i hosting.Instance) (*exchange.Exchange, error) {
			return a.talk(ctx, cluster, i)
		},
	})
}

// talk begins a conversation with an instance, at its own address.
func (a *app) talk(ctx context.Context, cluster provisioner.Cluster, i hosting.Instance) (*exchange.Exchange, error) {
	secrets, err := cluster.Secrets(ctx, i.Job)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	err = a.store.Read(ctx, func(tx *store.Tx) error {
		space, err := tx.Space(i.SpaceID)
		values["email"] = space.Email
		return err
	})
	if err != nil {
		return nil, err
	}
	if app, ok := a.catalogue.App(i.App); ok {
		for _, v := range app.Values {
			values[v.Name] = secrets[v.Name] // no secret: what the association typed
			delete(secrets, v.Name)
		}
	}
	return &exchange.Exchange{
		Client: &http.Client{Transport: exchange.Direct(i.Address)}, URL: a.control.URL(i.Host), Values: values, Secrets: secrets,
	}, nil
}

func newRetentionCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "retention", GroupID: "ops", Short: "Content that nobody changes for long, where a plan says so: list, run, keep"},
		newRetentionListCommand(c), newRetentionRunCommand(c), newRetentionKeepCommand(c))
}

func newRetentionListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "list [SPACE]", Args: cobra.MaximumNArgs(1), Short: "Lists what was announced, and what became of it",
		Long: `Lists the content that rules of retention are about: of one space all there was, else of all spaces what is still to be
removed. A plan without a rule of retention removes nothing, ever.`,
		Example: "  frama retention list\n  frama retention list les-lilas --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			views, err := a.control.Retention(cmd.Context(), c.actor(), name)
			if err != nil {
				return absent(err, "space", name, "frama space list")
			}
			return c.print(views, func(w io.Writer) { writeRetention(w, views, name != "") })
		},
	}
}

func writeRetention(w io.Writer, views []control.RetentionView, all bool) {
	t := newTable(w, "SPACE", "APPLICATION", "KIND", "OBJECT", "CHANGED", "STATE", "REMOVED FROM", "PROBLEM, OR FILE")
	rows := 0
	for _, v := range views {
		for _, o := range v.Objects {
			if !all && !o.State.Open() {
				continue
			}
			remark := o.File
			if o.Problem != "" {
				remark = o.Problem
			}
			until := day(o.RemoveAt)
			if !o.State.Open() {
				until = day(o.EndedAt)
			}
			t.row(v.Space.Slug, o.App, o.Metric, printable(o.Object), day(o.ChangedAt), string(o.State), until, printable(remark))
			rows++
		}
	}
	if rows == 0 {
		fmt.Fprintln(w, "Nothing is announced. Rules are written in plans (retention), and frama serve looks once a day.")
	} else {
		t.flush()
	}
	for _, v := range views {
		for _, l := range v.Looks {
			if l.Problem != "" {
				fmt.Fprintf(w, "%s, %s: %s\n", v.Space.Slug, l.At.Local().Format(time.DateTime), printable(l.Problem))
			}
		}
	}
}

func newRetentionRunCommand(c *cli) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "run [SPACE…]", Short: "Looks for such content now, instead of once a day",
		Long: `Looks at the content of spaces now: announces what nobody changed for as long as the rule of the plan in force says, and exports and
removes what was announced and whose time has come. Nothing is removed before its time, or without its export. With --dry-run it
only says what it would do. It needs the cluster, as frama provision does.`,
		Example: "  frama retention run --dry-run\n  frama retention run les-lilas",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			ask := retain.Ask{Now: true, Dry: dry}
			err = a.store.Read(cmd.Context(), func(tx *store.Tx) error {
				for _, name := range args {
					s, err := tx.SpaceNamed(name)
					if errors.Is(err, store.ErrNotFound) {
						return fmt.Errorf("there is no space %q: frama space list shows those there are", name)
					}
					if err != nil {
						return err
					}
					ask.Spaces = append(ask.Spaces, s.ID)
				}
				return nil
			})
			if err != nil {
				return err
			}
			cluster, err := a.cluster()
			if err != nil {
				return err
			}
			reports, err := a.retainer(cluster).Once(cmd.Context(), ask)
			if err != nil {
				return err
			}
			err = c.print(reports, func(w io.Writer) { writeRetained(w, reports, dry) })
			for _, r := range reports {
				if r.Problem != "" && err == nil {
					err = errSilent
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be announced and removed, and do nothing")
	return cmd
}

func writeRetained(w io.Writer, reports []retain.Report, dry bool) {
	if len(reports) == 0 {
		fmt.Fprintln(w, "No plan in force has a rule of retention for what these spaces have.")
		return
	}
	announced, removed := "ANNOUNCED", "REMOVED"
	if dry {
		announced, removed = "TO ANNOUNCE", "TO REMOVE"
	}
	t := newTable(w, "SPACE", "APPLICATION", "OBJECTS", announced, removed, "KEPT", "NOT READ", "PROBLEM")
	for _, r := range reports {
		told, gone := r.Announced, r.Removed
		if dry {
			told, gone = r.Unused, r.Due
		}
		t.row(r.Space, r.App, fmt.Sprint(r.Objects), fmt.Sprint(told), fmt.Sprint(gone), fmt.Sprint(r.Kept), fmt.Sprint(r.Unread), printable(r.Problem))
	}
	t.flush()
}

func newRetentionKeepCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "keep SPACE", Args: cobra.ExactArgs(1), Short: "Keeps all that was announced of a space, for as long again as it went unused",
		Example: "  frama retention keep les-lilas",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			n, err := a.control.KeepAllOf(cmd.Context(), c.actor(), args[0])
			if err != nil {
				return absent(err, "space", args[0], "frama space list")
			}
			return c.print(map[string]any{"space": args[0], "kept": n}, func(w io.Writer) { fmt.Fprintf(w, "%d objects of %s are kept.\n", n, args[0]) })
		},
	}
}
