package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/provisioner/volume"
)

func newVolumeAdoptCommand(c *cli) *cobra.Command {
	var o volumeOptions
	var r volume.Request
	var size int64
	cmd := volumeCommand(c, &o, &cobra.Command{
		Use: "adopt FROM NAME", Args: cobra.ExactArgs(2), Short: "Makes a volume of a folder that is there",
		Long: `For volumes of Nomad's own plugin mkdir, of frama's earlier plugin frama-volume, or from a backup. Stop what uses the folder first.
The folder is renamed where that is enough, and its files get the limit; otherwise they are copied, and the folder stays. frama
registers the volume when it next needs it. Called again after an interruption, it goes on.`,
		Example: "  frama volume adopt --folder /srv/volumes --mib 1024 /opt/nomad/data/host_volumes/0c5a1b7e-8a2e-41f0-a6ce-7f4f2b1f6a51 lilas-pads-data",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.open()
			if err != nil {
				return err
			}
			defer f.Close()
			r.ID, r.Bytes = args[1], size<<20
			s, moved, err := f.Adopt(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			v := stateOf(s)
			return c.print(map[string]any{"volume": v, "moved": moved}, func(w io.Writer) {
				fmt.Fprintln(w, v.ID+": "+v.words())
				if !moved {
					fmt.Fprintf(w, "%s was copied: look that all is in %s, then remove it.\n", args[0], v.Path)
				}
			})
		},
	})
	cmd.Flags().Int64Var(&size, "mib", 0, "size in MiB")
	cmd.Flags().StringVar(&r.Owner, "owner", "", "`instance` that the volume belongs to; the one that needs it first when left out")
	return cmd
}
