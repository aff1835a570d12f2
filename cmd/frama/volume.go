package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

	nomadjobs "framagit.org/frama/frama/deploy/nomad"
	"framagit.org/frama/frama/provisioner/volume"
	"framagit.org/frama/frama/provisioner/volume/csi"
)

// volumeOptions are what the commands on a node's volumes have in common. In the task of the plugin they come from its
// environment, so that a command which Nomad runs there works on the same folder.
type volumeOptions struct {
	folder string
	plain  bool
}

func (o volumeOptions) open() (*volume.Folder, error) {
	switch {
	case o.folder == "":
		return nil, usageError{errors.New("which folder of volumes? Name it with --folder")}
	case o.plain:
		return volume.OpenPlain(o.folder)
	}
	return volume.Open(o.folder)
}

func newVolumeCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use: "volume", GroupID: "run", Args: cobra.ArbitraryArgs, Short: "Keeps the volumes of a machine of the cluster",
		Long: `On every machine of the cluster, frama volume serve is Nomad's plugin for volumes: folders whose size the kernel keeps, with
project quotas on ext4 and XFS, with quota groups on btrfs. frama runs the other commands in the task of the plugin; check,
adopt and job are for people. All but job work on the machine they run on, as root. See docs/operate/volumes.md.`,
	}
	return parent(cmd, newVolumeCheckCommand(c), newVolumeServeCommand(c), newVolumeJobCommand(c), newVolumeCreateCommand(c),
		newVolumeResizeCommand(c), newVolumeUsageCommand(c), newVolumeDeleteCommand(c), newVolumeAdoptCommand(c))
}

// volumeCommand adds the flags that all commands on volumes have.
func volumeCommand(c *cli, o *volumeOptions, cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&o.folder, "folder", envOr(c.environ, "FRAMA_VOLUME_FOLDER", ""), "`folder` of the volumes, an absolute path")
	cmd.Flags().BoolVar(&o.plain, "plain", envOr(c.environ, "FRAMA_VOLUME_PLAIN", "") == "true", "make volumes without limits, on any file system")
	return cmd
}

func newVolumeServeCommand(c *cli) *cobra.Command {
	var o volumeOptions
	var endpoint, node string
	cmd := volumeCommand(c, &o, &cobra.Command{
		Use: "serve", Args: cobra.NoArgs, Short: "Mounts volumes for Nomad, on each machine of the cluster",
		Long:    `Started by Nomad, as the task of the system job that "frama volume job" prints.`,
		Example: "  frama volume serve --folder /srv/volumes --endpoint /run/frama.sock --node $(hostname)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return csi.Serve(cmd.Context(), csi.Options{
				Endpoint: endpoint, Node: node, Version: version(), Open: o.open, Log: slog.New(slog.NewTextHandler(c.err, nil)),
			})
		},
	})
	cmd.Flags().StringVar(&endpoint, "endpoint", envOr(c.environ, "CSI_ENDPOINT", ""), "`socket` to listen on")
	cmd.Flags().StringVar(&node, "node", envOr(c.environ, "FRAMA_VOLUME_NODE", ""), "Nomad's `ID` of this machine")
	return cmd
}

func newVolumeJobCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "job", Args: cobra.NoArgs, Short: "Prints the Nomad job that runs the plugin on every machine",
		Example: "  frama volume job > frama-volumes.nomad.hcl\n  nomad job run -var folder=/srv/volumes frama-volumes.nomad.hcl",
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(c.out, nomadjobs.Volumes)
			return err
		},
	}
}

func newVolumeCreateCommand(c *cli) *cobra.Command {
	var o volumeOptions
	r := volume.Request{}
	var size int64
	var mode uint32
	cmd := volumeCommand(c, &o, &cobra.Command{
		Use: "create NAME", Args: cobra.ExactArgs(1), Short: "Makes a volume, or finds it there and gives it the size",
		Example: "  frama volume create --folder /srv/volumes --mib 1024 --uid 1000 --gid 1000 lilas-pads-data",
		RunE: func(_ *cobra.Command, args []string) error {
			r.ID, r.Bytes, r.Mode = args[0], size<<20, permissions(mode)
			return c.onVolume(o, func(f *volume.Folder) (volume.State, error) { return f.Create(r) })
		},
	})
	cmd.Flags().Int64Var(&size, "mib", 0, "size in MiB")
	cmd.Flags().IntVar(&r.UID, "uid", -1, "user who owns a new volume; root when left out")
	cmd.Flags().IntVar(&r.GID, "gid", -1, "group that owns a new volume; root when left out")
	cmd.Flags().Uint32Var(&mode, "mode", 0o770, "permissions of a new volume, as 0770")
	cmd.Flags().StringVar(&r.Owner, "owner", "", "`instance` that the volume belongs to; only it finds the volume again")
	return cmd
}

func newVolumeResizeCommand(c *cli) *cobra.Command {
	var o volumeOptions
	var size int64
	var owner string
	cmd := volumeCommand(c, &o, &cobra.Command{
		Use: "resize NAME", Args: cobra.ExactArgs(1), Short: "Gives a volume another size, also while it is used",
		Long:    "A volume that holds more than the new size keeps its old one, and the command fails.",
		Example: "  frama volume resize --folder /srv/volumes --mib 2048 lilas-pads-data",
		RunE: func(_ *cobra.Command, args []string) error {
			return c.onVolume(o, func(f *volume.Folder) (volume.State, error) { return f.Resize(args[0], owner, size<<20) })
		},
	})
	cmd.Flags().Int64Var(&size, "mib", 0, "size in MiB")
	cmd.Flags().StringVar(&owner, "owner", "", "`instance` that the volume belongs to")
	return cmd
}

func newVolumeUsageCommand(c *cli) *cobra.Command {
	var o volumeOptions
	return volumeCommand(c, &o, &cobra.Command{
		Use: "usage NAME", Args: cobra.ExactArgs(1), Short: "Shows how much a volume holds, and may hold",
		Example: "  frama volume usage --folder /srv/volumes lilas-pads-data --json",
		RunE: func(_ *cobra.Command, args []string) error {
			return c.onVolume(o, func(f *volume.Folder) (volume.State, error) { return f.Look(args[0]) })
		},
	})
}

func newVolumeDeleteCommand(c *cli) *cobra.Command {
	var o volumeOptions
	var owner string
	cmd := volumeCommand(c, &o, &cobra.Command{
		Use: "delete NAME", Args: cobra.ExactArgs(1), Short: "Removes a volume with all that is in it",
		Long:    "Nothing brings it back. One that is gone already is no error; one that is mounted is refused.",
		Example: "  frama volume delete --folder /srv/volumes lilas-pads-data",
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := o.open()
			if err != nil {
				return err
			}
			defer f.Close()
			if err := f.Delete(args[0], owner); err != nil {
				return err
			}
			return c.print(map[string]string{"id": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s is gone.\n", args[0]) })
		},
	})
	cmd.Flags().StringVar(&owner, "owner", "", "`instance` that the volume belongs to")
	return cmd
}

// onVolume does something with one volume and prints how it is then.
func (c *cli) onVolume(o volumeOptions, do func(*volume.Folder) (volume.State, error)) error {
	f, err := o.open()
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := do(f)
	if err != nil {
		return err
	}
	v := stateOf(s)
	return c.print(v, func(w io.Writer) { fmt.Fprintln(w, v.ID+": "+v.words()) })
}

func newVolumeCheckCommand(c *cli) *cobra.Command {
	var o volumeOptions
	return volumeCommand(c, &o, &cobra.Command{
		Use: "check [FOLDER]", Args: cobra.MaximumNArgs(1), Short: "Shows whether sizes are kept in a folder of volumes, and how full each is",
		Long: `Run it as root on a machine of the cluster. Nothing is changed. Where sizes are not kept it fails and names what to mount, unless
--plain allows volumes without limits.`,
		Example: "  frama volume check /srv/volumes\n  frama volume check /srv/volumes --json",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.folder = args[0]
			}
			return c.checkVolumes(o)
		},
	})
}

// volumeState is how a volume is, as the commands print it.
type volumeState struct {
	ID      string `json:"id"`
	Path    string `json:"path"`
	Owner   string `json:"owner,omitempty"`
	Limited bool   `json:"limited"`
	Bytes   int64  `json:"bytes"`
	Used    int64  `json:"used"`
	Problem string `json:"problem,omitempty"`
	ours    bool
}

func stateOf(v volume.State) volumeState {
	s := volumeState{ID: v.ID, Path: v.Path, Owner: v.Owner, Limited: v.Limit > 0, Bytes: v.Limit, Used: v.Used, ours: v.Ours}
	if v.Unsure != nil {
		s.Problem = v.Unsure.Error()
	}
	return s
}

func (s volumeState) words() string {
	switch {
	case s.Problem != "":
		return "?\t" + s.Problem
	case !s.ours:
		return "no limit\tnot made by frama"
	case !s.Limited:
		return fmt.Sprintf("no limit\t%d MiB", s.Used>>20)
	}
	return fmt.Sprintf("%d %%\t%d of %d MiB", s.Used*100/s.Bytes, s.Used>>20, s.Bytes>>20)
}

// folderState is what check says of a folder.
type folderState struct {
	Path    string        `json:"path"`
	Kept    bool          `json:"kept"`
	Means   string        `json:"means"`
	Volumes []volumeState `json:"volumes"`
}

func (c *cli) checkVolumes(o volumeOptions) error {
	folder, err := o.open()
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
	state := folderState{Path: o.folder, Kept: !o.plain, Means: folder.Means(), Volumes: []volumeState{}}
	for _, v := range all {
		state.Volumes = append(state.Volumes, stateOf(v))
	}
	return c.print(state, func(w io.Writer) {
		if state.Kept {
			fmt.Fprintf(w, "%s keeps sizes: %s.\n", state.Path, state.Means)
		} else {
			fmt.Fprintf(w, "%s keeps no sizes: any volume may fill the disk of all.\n", state.Path)
		}
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, s := range state.Volumes {
			fmt.Fprintf(table, "%s\t%s\n", s.ID, s.words())
		}
		_ = table.Flush()
	})
}

// permissions takes no more than the bits that chmod gives to users, group and others.
func permissions(mode uint32) fs.FileMode { return fs.FileMode(mode) & fs.ModePerm }
