package main

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/provisioner/edge"
	"framagit.org/frama/frama/services/seal"
)

func newEdgeCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "edge", GroupID: "run", Args: cobra.NoArgs, Short: "Drives the HAProxy of an ingress node",
		Long: `Runs on each ingress node: keeps the newest snapshot of routes and certificates on disk and drives HAProxy with it,
without reloads. Spaces keep being served while frama, its database or this agent are stopped.
It needs edge.server, edge.token and edge.public_key; see "frama edge key" on the machine that runs frama serve.`,
		Example: "  frama edge\n  FRAMA_EDGE_TOKEN_FILE=/run/secrets/edge FRAMA_EDGE_PUBLIC_KEY=… frama edge",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			agent, err := c.edgeAgent(conf, false)
			if err != nil {
				return err
			}
			return agent.Run(cmd.Context())
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use: "key", Args: cobra.NoArgs, Short: "Prints what an agent on another machine needs",
		Long:    "Prints the public key that verifies snapshots and the file to put the token in. The token itself is printed only with --json.",
		Example: "  frama edge key",
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			token, public, err := edgeSecrets(conf)
			if err != nil {
				return err
			}
			return c.print(map[string]string{"public_key": edge.FormatPublicKey(public), "token": token}, func(w io.Writer) {
				fmt.Fprintf(w, "edge.public_key = %q\n", edge.FormatPublicKey(public))
				fmt.Fprintln(w, "# the token, for edge.token_file: frama edge key --json | jq -r .token")
			})
		},
	})
	return cmd
}

// edgeSecrets returns the agents' token and the key that verifies snapshots: as configured, or derived from the seal key.
func edgeSecrets(conf config) (token string, public ed25519.PublicKey, err error) {
	token = conf.Edge.Token
	if conf.Edge.PublicKey != "" {
		if public, err = edge.ParsePublicKey(conf.Edge.PublicKey); err != nil {
			return "", nil, usageError{fmt.Errorf("edge.public_key: %w", err)}
		}
	}
	if token != "" && public != nil {
		return token, public, nil
	}
	key, err := seal.Load(conf.Seal.KeyFile)
	if err != nil {
		return "", nil, fmt.Errorf("edge.token and edge.public_key are needed on a machine without the seal key: %w", err)
	}
	a := &app{config: conf, seal: key}
	if public == nil {
		public = a.edgeKey().Public().(ed25519.PublicKey) //nolint:forcetypeassert // documented by crypto/ed25519
	}
	return a.edgeToken(), public, nil
}

// edgeAgent wires the agent. stop ends HAProxy with it, for development.
func (c *cli) edgeAgent(conf config, stop bool) (*edge.Agent, error) {
	token, public, err := edgeSecrets(conf)
	if err != nil {
		return nil, err
	}
	name := conf.Edge.Name
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return nil, usageError{fmt.Errorf("edge.name: the machine has no name, give one: %w", err)}
		}
	}
	return edge.NewAgent(edge.AgentOptions{
		Name: name, Server: conf.Edge.Server, Token: token, PublicKey: public, Dir: conf.Edge.Data, HTTP: conf.Edge.HTTP,
		HTTPS: conf.Edge.HTTPS, PublicPort: conf.Platform.HTTPSPort, HAProxy: conf.Edge.HAProxy, External: conf.Edge.External,
		User: conf.Edge.User, Group: conf.Edge.Group, HSTS: conf.Edge.HSTS, StopHAProxy: stop, Log: c.logger(conf), Wait: 20 * time.Second, Now: now,
	})
}
