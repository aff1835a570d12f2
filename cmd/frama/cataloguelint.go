package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/nomad"
)

func newCatalogueLintCommand(c *cli) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "lint [FOLDER…]", Short: "Checks every manifest and job file, with file, line, column and reason",
		Long: `Checks the embedded catalogue and the configured folders; with FOLDERs, only those. A FOLDER is one application (it has
an app.hcl) or holds several, and need not be in the configuration.

All mistakes of all files come at once, one a line, as path:line:column: reason; --json gives an array of path, line, column
and message. The status is 1 when there is one. After that the job files are parsed, changed and checked by the same code that
provisions them, and planned by the Nomad of the configuration. --offline does without; so does a machine without one, when a
FOLDER is given.`,
		Example: "  frama catalogue lint\n  frama catalogue lint ./my-app --offline",
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			var check catalogue.Check
			var silent error // of Nomad
			if !offline {
				cluster, err := (&app{config: conf}).cluster()
				if err != nil {
					return err
				}
				ask := checkWith(cluster)
				check = func(ctx context.Context, f catalogue.JobFile) (found []catalogue.Finding, err error) {
					found, err = ask(ctx, f)
					silent = err
					return found, err
				}
			}
			mistakes, err := catalogue.LintFolders(cmd.Context(), conf.Catalogue.folders(), args, check)
			if err != nil && silent == nil {
				return err
			}
			if silent != nil && len(args) == 0 {
				if len(mistakes) > 0 {
					_ = c.mistakes(mistakes) // the status is that of a failure all the same
				}
				return fmt.Errorf("%w (without a cluster: --offline)", silent)
			}
			if silent != nil { // who starts an application has no cluster yet: what can be seen without one is seen
				if mistakes, err = catalogue.LintFolders(cmd.Context(), conf.Catalogue.folders(), args, nil); err != nil {
					return err
				}
				fmt.Fprintf(c.err, "Not checked by Nomad: %v\n", silent)
			}
			if apps, err := appsToPin(conf, args, true); err == nil {
				c.noteUnpinned(apps)
			}
			return c.mistakes(mistakes)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask Nomad")
	return cmd
}

// checkWith asks a cluster about job files.
func checkWith(cluster *nomad.Cluster) catalogue.Check {
	return func(ctx context.Context, f catalogue.JobFile) ([]catalogue.Finding, error) {
		found, err := cluster.Check(ctx, provisioner.Job{
			ID: "lint-" + f.App, SpaceID: "lint", InstanceID: "lint", Source: f.Source, Path: f.Path, Variables: f.Variables, Node: f.Node,
			Volume: f.Volume, Port: f.Port, CPU: f.CPU, Memory: f.Memory, MemoryMax: f.MemoryMax, Egress: f.Egress, Capabilities: f.Capabilities, Images: f.Images,
		}, nomad.ProductionPolicy())
		var out []catalogue.Finding
		for _, one := range found {
			out = append(out, catalogue.Finding(one))
		}
		return out, err
	}
}

func (c *cli) mistakes(list catalogue.Diagnostics) error {
	if c.json {
		if err := c.print(list, nil); err != nil {
			return err
		}
	} else if len(list) == 0 {
		fmt.Fprintln(c.out, "No mistake found.")
	} else {
		fmt.Fprintln(c.out, list.Error())
	}
	if len(list) > 0 {
		return errSilent
	}
	return nil
}
