package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newSpaceRegisterCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "register SPACE", Args: cobra.ExactArgs(1), Short: "Has the volumes and jobs of an open space registered again",
		Long: `Makes the run that registers the volumes and jobs of a space as they should be: after Nomad lost them, or when a new version
of frama registers them in another form. What is right already is left alone, and no data is touched.`,
		Example: "  frama space register les-lilas && frama provision les-lilas",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			space, err := a.control.RegisterAgain(cmd.Context(), c.actor(), args[0])
			if err != nil {
				return absent(err, "space", args[0], "frama space list")
			}
			return c.print(space, func(w io.Writer) { fmt.Fprintf(w, "A run is ready: frama provision %s\n", space.Slug) })
		},
	}
}
