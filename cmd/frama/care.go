package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store"
)

func newMigrateCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", GroupID: "admin", Args: cobra.NoArgs, Short: "Brings the database to this binary's schema",
		Long:    "Brings the database to this binary's schema. It is safe to run twice, and from several machines at once.",
		Example: "  frama migrate && systemctl restart frama",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			a, err := c.wire(cmd.Context(), conf, seal.LoadOrMake)
			if err != nil {
				return err
			}
			defer a.store.Close()
			applied, err := a.migrate(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(map[string]any{"applied": applied}, func(w io.Writer) {
				if len(applied) == 0 {
					fmt.Fprintln(w, "The schema is up to date.")
				}
				for _, name := range applied {
					fmt.Fprintln(w, "applied", name)
				}
			})
		},
	}
}

// migrate brings the schema up to date, makes sure that the seal key belongs to this database, and puts plans in force that
// are new.
func (a *app) migrate(ctx context.Context) ([]string, error) {
	applied, err := a.store.Migrate(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.store.Write(ctx, (*store.Tx).CheckSeal); err != nil {
		return applied, err
	}
	return applied, a.control.AdoptPlans(ctx)
}

func newVersionCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: "admin", Args: cobra.NoArgs, Short: "Prints the version", Example: "  frama version --json",
		RunE: func(*cobra.Command, []string) error {
			return c.print(map[string]string{"version": version(), "go": runtime.Version()}, func(w io.Writer) {
				fmt.Fprintf(w, "frama %s (%s)\n", version(), runtime.Version())
			})
		},
	}
}

// tagged is set by the Makefile with -ldflags -X.
var tagged = ""

// version is that of the release, or what the Go toolchain recorded.
func version() string {
	if tagged != "" {
		return tagged
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

func newConfigCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "config", GroupID: "admin", Short: "The configuration: keys"}, &cobra.Command{
		Use: "keys", Args: cobra.NoArgs, Short: "Lists every key with its default", Example: "  frama config keys | less",
		RunE: func(*cobra.Command, []string) error {
			type line struct{ Key, Variable, Default, Doc string }
			var all []line
			for _, k := range keys() {
				all = append(all, line{k.name, k.variable(), k.fallback, k.doc})
				if k.secret {
					all = append(all, line{k.name + "_file", k.variable() + "_FILE", "", "file that holds " + k.name})
				}
			}
			listed := listedKeys()
			for _, k := range slices.Concat(listed["backing"], listed["catalogue.image"]) {
				variable := ""
				if strings.HasSuffix(k.name, " password") || strings.HasSuffix(k.name, " password_file") {
					variable = "FRAMA_BACKING_<NAME>_" + strings.ToUpper(k.name[len("[[backing]] "):])
				}
				all = append(all, line{k.name, variable, "", k.doc})
			}
			return c.print(all, func(w io.Writer) {
				t := newTable(w, "KEY", "VARIABLE", "DEFAULT", "MEANING")
				for _, l := range all {
					t.row(l.Key, l.Variable, l.Default, l.Doc)
				}
				t.flush()
			})
		},
	})
}
