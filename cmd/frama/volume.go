package main

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/provisioner/volume"
)

// pluginName is what frama is called as by Nomad's clients, which know host volume plugins by the name of their file.
const pluginName = "frama-volume"

// commandLine is what follows the program's name. A link named frama-volume stands for frama volume.
func commandLine(args []string) []string {
	if len(args) > 0 && filepath.Base(args[0]) == pluginName {
		return append([]string{"volume"}, args[1:]...)
	}
	return args[min(1, len(args)):]
}

func newVolumeCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "volume", GroupID: "run", Args: cobra.ArbitraryArgs, Short: "Holds volumes to their size, on the machines of the cluster",
		Long: `As ` + pluginName + ` in Nomad's host_volume_plugin_dir, frama makes volumes whose size the kernel keeps: with project quotas
on ext4 and XFS, with quota groups on btrfs. Nomad's client calls it; check is for people. See docs/operate/volumes.md.`,
	}
	check := &cobra.Command{
		Use: "check FOLDER", Args: cobra.ExactArgs(1), Short: "Says whether sizes are kept in a folder of volumes, and how full each is",
		Long: `To be run as root on a machine of the cluster, with Nomad's host_volumes_dir (data_dir/host_volumes unless it is set). Nothing
is changed. It fails where sizes are not kept, and says what to mount.`,
		Example: "  frama volume check /opt/nomad/data/host_volumes\n  frama volume check /srv/volumes --json",
		RunE:    func(_ *cobra.Command, args []string) error { return c.checkVolumes(args[0]) },
	}
	children := []*cobra.Command{check}
	for _, operation := range []string{"fingerprint", "create", "delete"} {
		children = append(children, &cobra.Command{
			Use: operation, Hidden: true, Args: cobra.NoArgs, Short: "Answers Nomad's client",
			Long:    "Called by Nomad's client, with the particulars in DHV_… variables. Answers in JSON.",
			Example: "  DHV_OPERATION=" + operation + " frama volume " + operation,
			RunE: func(*cobra.Command, []string) error {
				if volume.Plugin(operation, c.environ, c.out) != nil {
					return errSilent // the answer says why
				}
				return nil
			},
		})
	}
	return parent(cmd, children...)
}

// volumeState is what check says of one volume.
type volumeState struct {
	ID      string `json:"id"`
	Path    string `json:"path"`
	Limited bool   `json:"limited"`
	Bytes   int64  `json:"bytes"`
	Used    int64  `json:"used"`
	Problem string `json:"problem,omitempty"`
}

func (c *cli) checkVolumes(path string) error {
	folder, err := volume.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Enforced(); err != nil {
		return err
	}
	all, err := folder.List()
	if err != nil {
		return err
	}
	var states []volumeState
	for _, v := range all {
		s := volumeState{ID: v.ID, Path: v.Path, Limited: v.Limit > 0, Bytes: v.Limit, Used: v.Used}
		if v.Unsure != nil {
			s.Problem = v.Unsure.Error()
		}
		states = append(states, s)
	}
	return c.print(states, func(w io.Writer) {
		fmt.Fprintf(w, "%s keeps sizes: %s.\n", path, folder.Means())
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range states {
			switch {
			case s.Problem != "":
				fmt.Fprintf(table, "%s\t?\t%s\n", s.ID, s.Problem)
			case !s.Limited:
				fmt.Fprintf(table, "%s\tno limit\tnot made by %s\n", s.ID, pluginName)
			default:
				fmt.Fprintf(table, "%s\t%d %%\t%d of %d MiB\n", s.ID, s.Used*100/s.Bytes, s.Used>>20, s.Bytes>>20)
			}
		}
		_ = table.Flush()
	})
}
