package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/backing"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func newBackingCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{
		Use: "backing", GroupID: "ops",
		Short: "Databases, accounts and buckets of instances: list, check, rotate, retire, restore",
	}, newBackingListCommand(c), newBackingCheckCommand(c), newBackingRotateCommand(c), newBackingRetireCommand(c), newBackingRestoreCommand(c))
}

// owned is what an instance has on a server, with whose it is.
type owned struct {
	hosting.Backing

	Space    string // its name
	spaceIs  hosting.SpaceState
	spaceHas string // handle
}

func newBackingListCommand(c *cli) *cobra.Command {
	var service, server string
	cmd := &cobra.Command{
		Use: "list [SPACE]", Args: cobra.MaximumNArgs(1), Short: "Lists what instances have on backing servers",
		Example: "  frama backing list\n  frama backing list les-lilas\n  frama backing list --server db1 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			all, err := a.owned(cmd.Context(), args, service)
			if err != nil {
				return err
			}
			all = slices.DeleteFunc(all, func(o owned) bool { return server != "" && o.Server != server })
			return c.print(all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "Nothing yet. Servers are declared under [[backing]] in the configuration; frama provision makes what instances need.")
					return
				}
				t := newTable(w, "SPACE", "SERVICE", "SERVER", "NAME", "STATE", "SINCE", "PASSWORD OF")
				for _, o := range all {
					since, password := o.CreatedAt, o.CreatedAt
					if !o.RetiredAt.IsZero() {
						since = o.RetiredAt
					}
					if !o.RotatedAt.IsZero() {
						password = o.RotatedAt
					}
					t.row(o.Space, o.Service, o.Server, o.Name, string(o.State), ago(since), password.Local().Format(time.DateOnly))
				}
				t.flush()
			})
		},
	}
	choices(cmd, &service, "service", "", backing.Kinds())
	cmd.Flags().StringVar(&server, "server", "", "only what is on this server")
	return cmd
}

func newBackingCheckCommand(c *cli) *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use: "check [SPACE…]", Short: "Signs in as each instance does, and says where that fails",
		Long: `Signs in to the backing servers as each instance does, with what is in its job's variable, and says where that fails.
With --repair, what is missing on a server or in the variable is made again, and a change of password that was cut short
is brought to its end. No data is deleted by it. The servers themselves are looked at by frama doctor.`,
		Example: "  frama backing check\n  frama backing check les-lilas --repair",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onBacking(cmd.Context(), args, "", func(ctx context.Context, p *provisioner.Provisioner, o owned) (string, error) {
				if o.State == hosting.BackingRetired || o.State == hosting.BackingPurged {
					return string(o.State), nil
				}
				return "works", p.CheckBacking(ctx, o.ID, repair)
			})
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "make again what is missing, and finish what was begun")
	return cmd
}

func newBackingRotateCommand(c *cli) *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use: "rotate SPACE…", Args: cobra.MinimumNArgs(1), Short: "Gives instances new passwords; the old ones are good for nothing then",
		Long: `Gives the instances of a space new passwords for their databases, accounts and buckets. Nomad restarts the tasks that
use them, so each application is away for a moment. Wherever the command is cut short, the next one goes on there.`,
		Example: "  frama backing rotate les-lilas\n  frama backing rotate les-lilas --service postgres",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onBacking(cmd.Context(), args, service, func(ctx context.Context, p *provisioner.Provisioner, o owned) (string, error) {
				return "has a new password", p.RotateBacking(ctx, c.actor(), o.ID)
			})
		},
	}
	choices(cmd, &service, "service", "", backing.Kinds())
	return cmd
}

// retireOptions are the flags of frama backing retire.
type retireOptions struct {
	service, confirm string
	force, purge     bool
}

func newBackingRetireCommand(c *cli) *cobra.Command {
	var o retireOptions
	cmd := &cobra.Command{
		Use: "retire SPACE", Args: cobra.ExactArgs(1), Short: "Closes the databases, accounts and buckets of a space; nothing is deleted",
		Long: `Closes what the instances of a space have on backing servers: they cannot sign in any more, and databases are set
aside under another name where the server can rename them. Nothing is deleted; frama backing restore undoes it.

With --purge, what was retired 30 days ago or earlier is deleted for good. frama keeps no copy: make one before.`,
		Example: `  frama backing retire les-lilas
  frama backing retire les-lilas --confirm les-lilas      for scripts: the name, instead of asking for it
  frama backing retire les-lilas --purge                  30 days later: deletes the data for good`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.retireBacking(cmd.Context(), args[0], o)
		},
	}
	choices(cmd, &o.service, "service", "", backing.Kinds())
	cmd.Flags().StringVar(&o.confirm, "confirm", "", "the space's name, instead of asking for it")
	cmd.Flags().BoolVar(&o.force, "force", false, "also while the space is in use; with --purge, also before the 30 days are over")
	cmd.Flags().BoolVar(&o.purge, "purge", false, "delete for good what was retired 30 days ago or earlier")
	return cmd
}

func (c *cli) retireBacking(ctx context.Context, name string, o retireOptions) error {
	a, err := c.open(ctx)
	if err != nil {
		return err
	}
	all, err := a.owned(ctx, []string{name}, o.service)
	_ = a.store.Close()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("space %q has nothing on a backing server", name)
	}
	if state := all[0].spaceIs; !o.force && !o.purge && state != hosting.SpaceFailed && state != "retired" {
		return fmt.Errorf("space %q is %s: its applications would stop working for everybody who uses them. "+
			"Give --force if you want that", name, state)
	}
	if err := c.confirm(all, o); err != nil {
		return err
	}
	return c.onBacking(ctx, []string{name}, o.service, func(ctx context.Context, p *provisioner.Provisioner, own owned) (string, error) {
		if o.purge {
			return "is deleted", p.PurgeBacking(ctx, c.actor(), own.ID, o.force)
		}
		return "is closed", p.RetireBacking(ctx, c.actor(), own.ID)
	})
}

// confirm lets somebody type the space's name: what follows stops applications, or deletes data.
func (c *cli) confirm(all []owned, o retireOptions) error {
	name, typed := all[0].Space, o.confirm
	if typed == "" {
		what := "Closes"
		if o.purge {
			what = "DELETES FOR GOOD, without a copy,"
		}
		fmt.Fprintf(c.err, "%s of the space %s:\n", what, name)
		for _, own := range all {
			fmt.Fprintf(c.err, "  %s %s on %s (%s)\n", own.Service, own.Name, own.Server, own.State)
		}
		fmt.Fprintf(c.err, "Type the space's name to go on: ")
		line, err := bufio.NewReader(c.in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the name: %w", err)
		}
		typed = strings.TrimSpace(line)
	}
	if typed != name && typed != all[0].spaceHas {
		return usageError{fmt.Errorf("%q is not the space's name, %q: nothing was changed", typed, name)}
	}
	return nil
}

func newBackingRestoreCommand(c *cli) *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use: "restore SPACE", Args: cobra.ExactArgs(1), Short: "Opens again what was retired and not yet purged",
		Example: "  frama backing restore les-lilas",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onBacking(cmd.Context(), args, service, func(ctx context.Context, p *provisioner.Provisioner, o owned) (string, error) {
				if o.State == hosting.BackingMade {
					return "is open already", nil
				}
				return "is open again", p.RestoreBacking(ctx, c.actor(), o.ID)
			})
		},
	}
	choices(cmd, &service, "service", "", backing.Kinds())
	return cmd
}

// outcome is what became of one entry, for --json.
type outcome struct {
	Space   string `json:"space"`
	Service string `json:"service"`
	Server  string `json:"server"`
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message"`
}

// onBacking does something with each entry of the spaces, of all where none is named. One failure does not hold up the
// others.
func (c *cli) onBacking(ctx context.Context, spaces []string, service string,
	do func(ctx context.Context, p *provisioner.Provisioner, o owned) (string, error),
) error {
	if service != "" {
		if err := oneOf("--service", service, backing.Kinds()); err != nil {
			return err
		}
	}
	a, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer a.store.Close()
	p, err := a.provisioner()
	if err != nil {
		return err
	}
	all, err := a.owned(ctx, spaces, service)
	if err != nil {
		return err
	}
	results, failed := []outcome{}, false
	for _, o := range all {
		message, err := do(ctx, p, o)
		if err != nil {
			message, failed = err.Error(), true
		}
		results = append(results, outcome{o.Space, o.Service, o.Server, o.Name, err == nil, message})
		if ctx.Err() != nil {
			break
		}
	}
	err = c.print(results, func(w io.Writer) {
		for _, r := range results {
			mark := "ok  "
			if !r.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(w, "%s  %s: %s %s on %s: %s\n", mark, r.Space, r.Service, r.Name, r.Server, r.Message)
		}
		if len(results) == 0 {
			fmt.Fprintln(w, "Nothing there: frama backing list")
		}
	})
	if err == nil && failed {
		return errSilent
	}
	return err
}

// owned lists the entries of the named spaces, or all, perhaps of one service only.
func (a *app) owned(ctx context.Context, spaces []string, service string) ([]owned, error) {
	var all []owned
	err := a.store.Read(ctx, func(tx *store.Tx) error {
		add := func(list []hosting.Backing) error {
			for _, b := range list {
				if service != "" && b.Service != service {
					continue
				}
				i, err := tx.Instance(b.InstanceID)
				if err != nil {
					return err
				}
				s, err := tx.Space(i.SpaceID)
				if err != nil {
					return err
				}
				all = append(all, owned{Backing: b, Space: s.Slug, spaceIs: s.State, spaceHas: s.Handle})
			}
			return nil
		}
		for _, name := range spaces {
			s, err := tx.SpaceNamed(name)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("there is no space %q: frama space list shows those there are", name)
			}
			if err != nil {
				return err
			}
			instances, err := tx.Instances(s.ID)
			if err != nil {
				return err
			}
			for _, i := range instances {
				list, err := tx.Backings(i.ID)
				if err == nil {
					err = add(list)
				}
				if err != nil {
					return err
				}
			}
		}
		for after := ""; len(spaces) == 0; {
			list, err := tx.BackingsAfter(after, 500)
			if err != nil || len(list) == 0 {
				return err
			}
			if err := add(list); err != nil {
				return err
			}
			after = list[len(list)-1].ID
		}
		return nil
	})
	return all, err
}

// examineBacking looks at each declared server.
func (a *app) examineBacking(ctx context.Context) []finding {
	servers, err := a.config.backing()
	if err != nil {
		return []finding{{"backing", false, err.Error(), "correct the [[backing]] declarations"}}
	}
	var all []finding
	for _, s := range servers {
		f := finding{Name: "backing " + s.Name(), OK: true, Mend: "docs/operate/backing.md says what the server must allow"}
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		f.Detail, err = s.Check(ctx)
		cancel()
		if err != nil {
			f.OK, f.Detail = false, err.Error()
		}
		if s.Full {
			f.Detail += ", full: takes no new instances"
		}
		all = append(all, f)
	}
	return all
}
