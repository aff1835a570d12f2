package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	nomadjobs "framagit.org/frama/frama/deploy/nomad"
	"framagit.org/frama/frama/provisioner/isolation"
)

func newFirewallCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "firewall", GroupID: "run", Short: "Keeps instances apart on the machines of the cluster: config, job, apply, serve, remove",
		Long: `On every machine of the cluster, frama firewall serve keeps the Docker networks of instances and the rules of the firewall
that close them off: from one another, from the machine, and from what their application need not reach. config and job print what
Nomad needs to run it. See docs/operate/firewall.md.`,
	}
	return parent(cmd, newFirewallConfigCommand(c), newFirewallJobCommand(c), newFirewallApplyCommand(c), newFirewallServeCommand(c),
		newFirewallRemoveCommand(c))
}

func newFirewallConfigCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "config", Args: cobra.NoArgs, Short: "Prints what the machines need to know, from frama's configuration",
		Long: `Prints in JSON who reaches instances and what they reach: backing servers, the ingress, [firewall] of the configuration. It
holds no secret. When the configuration changes, write the file and register the job again.`,
		Example: "  frama firewall config > firewall.json\n  nomad job run -var config=\"$(frama firewall config)\" frama-firewall.nomad.hcl",
		RunE: func(*cobra.Command, []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			f, err := conf.firewall()
			if err != nil {
				return err
			}
			text, err := json.MarshalIndent(f, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.out, string(text))
			return err
		},
	}
}

func newFirewallJobCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "job", Args: cobra.NoArgs, Short: "Prints the Nomad job that keeps the firewall of every machine",
		Example: "  frama firewall job > frama-firewall.nomad.hcl\n  nomad job run -var config=\"$(frama firewall config)\" frama-firewall.nomad.hcl",
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(c.out, nomadjobs.Firewall)
			return err
		},
	}
}

// keeper reads the file that frama firewall config printed.
func (c *cli) keeper(file string) (*isolation.Keeper, error) {
	conf, err := isolation.Read(file)
	if err != nil {
		return nil, usageError{err}
	}
	return isolation.NewKeeper(conf, slog.New(slog.NewTextHandler(c.err, nil)))
}

func newFirewallApplyCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "apply FILE", Args: cobra.ExactArgs(1), Short: "Makes networks and rules once, as root",
		Long:    "For a machine that is being set up: Nomad's client finds the networks when it starts.",
		Example: "  frama firewall apply firewall.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := c.keeper(args[0])
			if err != nil {
				return err
			}
			return k.Once(cmd.Context())
		},
	}
}

func newFirewallServeCommand(c *cli) *cobra.Command {
	every := 30 * time.Second
	cmd := &cobra.Command{
		Use: "serve FILE", Args: cobra.ExactArgs(1), Short: "Makes networks and rules, and mends them, as root",
		Long: `Started by Nomad, as the task of the system job that "frama firewall job" prints. Needs the package nftables. When it ends,
networks and rules stay.`,
		Example: "  frama firewall serve firewall.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := c.keeper(args[0])
			if err != nil {
				return err
			}
			return k.Run(cmd.Context(), every)
		},
	}
	cmd.Flags().DurationVar(&every, "every", every, "how often to look")
	return cmd
}

func newFirewallRemoveCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "remove FILE", Args: cobra.ExactArgs(1), Short: "Takes rules and networks away, from a machine without instances",
		Example: "  frama firewall remove firewall.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := c.keeper(args[0])
			if err != nil {
				return err
			}
			return k.Remove(cmd.Context())
		},
	}
}
