package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// NomadOptions say how to run a Nomad agent. Only Data is needed.
type NomadOptions struct {
	Bin  string // Tool("nomad") when empty
	Data string // a folder of its own; what must last is in it

	// Number 0: one that is free, and at later starts the same one again.
	HTTP, RPC, Serf Port

	// MinPort and MaxPort bound the ports that Nomad picks itself, 20000 to 20999 when zero. Ports that frama reserves
	// must lie elsewhere.
	MinPort, MaxPort int

	Docker string // path of the socket of the engine that runs containers; none when empty
	CNI    string // folder of the networks that tasks may share; none when empty
	// InfraImage runs to hold such a network; Nomad's own choice when empty.
	InfraImage string
	Frama      string // the frama binary, to run the volume plugin; no jobs with volumes when empty
	Volumes    string // folder of the volumes; one in Data when empty
	KeepSizes  bool   // Volumes is on a file system with quotas; otherwise volumes have no limits
	Namespace  string // "frama" when empty

	// CPU (MHz) and Memory (MiB) pretend another size of machine; the real one when zero.
	CPU, Memory int

	// Chroot holds more files of the machine that tasks of the exec driver find in their root, by path: their path there.
	Chroot map[string]string

	// KeepTasks lets tasks that outlived a killed agent go on, as a production node would: a new agent recovers them.
	// Otherwise they are ended before the agent starts, which runs them afresh.
	KeepTasks bool

	Progress func(string) // told what takes time; may be nil
}

// Nomad is a running agent on 127.0.0.1, server and client in one, with access rules on and its state on disk.
//
// The executors that Nomad starts for its tasks are made to outlive the agent. Stop therefore drains the node first,
// which ends every task in its own way, and then the agent. Jobs, volumes and variables stay; the next start makes the
// node eligible, and the jobs come up again by themselves, in new allocations.
//
// When the supervisor is killed the agent dies with it, the tasks do not. The next start on the same folder kills them
// before anything else, and the agent runs them anew in their old allocations. If the machine was restarted in between,
// or the agent died and Stop cleaned up after it, the mounts of those allocations are gone, and Nomad does not make them
// again: then all allocations are replaced.
type Nomad struct {
	Address         string // http://127.0.0.1:<port>
	Namespace       string
	NodeNamespace   string // of frama's jobs on each machine: the volume plugin
	TokenFile       string // holds frama's own token, with the policy of deploy/nomad-acl; mode 0600
	Token           string // what is in it
	ManagementToken string // may do everything; for people and tests, never for frama
	NodeID          string
	Volumes         string // the folder of the volumes, by name
	*Process               // the agent's

	options NomadOptions
	api     *nomadAPI
	unlock  func()
	stopped bool
}

// StartNomad starts the agent and returns when its node takes work. It needs root: the volume plugin and the exec driver do.
func StartNomad(ctx context.Context, o NomadOptions) (_ *Nomad, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("nomad runs tasks as another user in a chroot, which needs root: run it with sudo")
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	unlock, err := lockFolder(o.Data)
	if err != nil {
		return nil, err
	}
	n := &Nomad{Namespace: o.Namespace, NodeNamespace: "frama-node", Volumes: o.Volumes, options: o, unlock: unlock}
	defer func() {
		if err != nil {
			n.abandon()
		}
	}()
	if !o.KeepTasks {
		if err := n.clean(ctx); err != nil {
			return nil, err
		}
	}
	if err := resolvePorts(filepath.Join(o.Data, "ports.json"), &n.options.HTTP, &n.options.RPC, &n.options.Serf); err != nil {
		return nil, err
	}
	if err := n.start(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

func (n *Nomad) start(ctx context.Context) error {
	n.Address = "http://" + n.options.HTTP.Address()
	n.api = &nomadAPI{address: n.Address}
	config, clientDir, err := n.options.writeConfig()
	if err != nil {
		return err
	}
	unmounted, err := n.markRunning()
	if err != nil {
		return err
	}
	if err := n.startAgent(ctx, config); err != nil {
		return err
	}
	if n.options.Frama != "" {
		if err := n.api.registerVolumePlugin(ctx, n.volumePlugin(clientDir)); err != nil {
			return err
		}
	}
	if unmounted {
		n.options.Progress("the last run did not end in order: replacing all allocations")
		if err := n.drain(ctx, 30*time.Second); err != nil {
			return err
		}
		if err := n.markReplaced(); err != nil {
			return err
		}
	}
	if err := n.api.setEligible(ctx, n.NodeID); err != nil {
		return err
	}
	if !unmounted {
		return nil
	}
	return n.api.reschedule(ctx)
}

// AwaitVolumes waits until Nomad finds the volume plugin healthy, which it does up to ten seconds after the start. Jobs with
// volumes wait for it by themselves; registering the first volume does not.
func (n *Nomad) AwaitVolumes(ctx context.Context) error {
	if err := n.waitReady(ctx, n.api.volumePluginHealthy, time.Minute); err != nil {
		return fmt.Errorf("volume plugin: %w", err)
	}
	return nil
}

func (n *Nomad) volumePlugin(clientDir string) VolumePlugin {
	return VolumePlugin{
		Frama: n.options.Frama, Folder: n.Volumes, Plain: !n.options.KeepSizes, Namespace: n.NodeNamespace,
		ClientDir: clientDir,
	}
}

// complete fills in what was left out.
func (o *NomadOptions) complete() (err error) {
	if o.Bin, err = orTool(o.Bin, "nomad"); err != nil {
		return err
	}
	o.Data = absolute(o.Data)
	if o.Volumes == "" {
		o.Volumes = filepath.Join(o.Data, "volumes")
	}
	o.Volumes = absolute(o.Volumes)
	if o.Frama != "" {
		o.Frama = absolute(o.Frama)
	}
	if o.MinPort == 0 {
		o.MinPort, o.MaxPort = 20000, 20999
	}
	if o.Namespace == "" {
		o.Namespace = "frama"
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return nil
}

// Stop ends every task, then the agent. Data stays. It takes as long as the slowest task, at most 90 s; when
// ctx ends earlier, what is left is killed. It may be called more than once.
func (n *Nomad) Stop(ctx context.Context) error {
	if n.stopped {
		return nil
	}
	n.stopped = true
	defer n.unlock()
	var err error
	select {
	case <-n.Process.Exited():
		err = n.Process.Err()
	default:
		err = n.drain(ctx, 90*time.Second)
		n.Process.Stop()
	}
	_, sweepErr := n.sweep(ctx)
	removeShortClientDir(n.options.Data)
	inOrder := err == nil
	return errors.Join(err, sweepErr, unmountBelow(n.options.Data), n.markStopped(inOrder))
}

// Kill ends the agent at once, as a crash would, and lets the folder go. Tasks go on until the next start.
func (n *Nomad) Kill() {
	n.Process.Kill()
	n.unlock()
}

func (n *Nomad) abandon() {
	if n.Process != nil {
		n.Process.Kill()
	}
	_, _ = n.sweep(context.Background())
	n.unlock()
}

// clean kills tasks of an agent that was not stopped in order.
func (n *Nomad) clean(ctx context.Context) error {
	count, err := n.sweep(ctx)
	if count > 0 {
		n.options.Progress(fmt.Sprintf("ended %d processes and containers that an earlier, killed start had left", count))
	}
	return err
}

// sweep kills what tasks of this agent left: processes, and containers, which are not the agent's children.
func (n *Nomad) sweep(ctx context.Context) (int, error) {
	count, err := sweep(n.options.Data)
	id, unknown := n.options.nodeID()
	if n.options.Docker == "" || unknown != nil {
		return count, err // an agent that never ran
	}
	containers, removeErr := newEngineAPI(n.options.Docker).removeContainers(ctx, "com.hashicorp.nomad.node_id="+id)
	return count + containers, errors.Join(err, removeErr)
}

// nodeID is the agent's node, which it keeps over restarts.
func (o *NomadOptions) nodeID() (string, error) {
	id, err := os.ReadFile(filepath.Join(o.Data, "state", "client", "client-id"))
	if err != nil {
		return "", fmt.Errorf("find Nomad's node: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

func (n *Nomad) bootFile() string { return filepath.Join(n.options.Data, "running-since-boot") }

// markRunning notes the boot in which the agent runs, and says whether allocations of an earlier run have lost their
// mounts: to a restart of the machine, or to a Stop that could not drain.
func (n *Nomad) markRunning() (unmounted bool, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return false, fmt.Errorf("identify this boot: %w", err)
	}
	old, err := os.ReadFile(n.bootFile())
	unmounted = err == nil && (!n.options.KeepTasks || string(old) != string(boot))
	if unmounted {
		return true, nil // noted once they are replaced: a crash before that must not forget it
	}
	return false, n.noteBoot(boot)
}

// markReplaced notes that no allocation is left that lost its mounts.
func (n *Nomad) markReplaced() error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("identify this boot: %w", err)
	}
	return n.noteBoot(boot)
}

// markStopped notes that no agent runs, and whether the allocations of the last one must be replaced.
func (n *Nomad) markStopped(inOrder bool) error {
	if !inOrder {
		return n.noteBoot([]byte("none: unmounted without a drain\n"))
	}
	if err := os.Remove(n.bootFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data folder of Nomad: %w", err)
	}
	return nil
}

func (n *Nomad) noteBoot(boot []byte) error {
	if err := os.WriteFile(n.bootFile(), boot, 0o600); err != nil {
		return fmt.Errorf("data folder of Nomad: %w", err)
	}
	return nil
}

// startAgent starts the agent until its client has registered with its server.
//
// On the first start it often asks some milliseconds before the server has made its keys, is refused, and asks again
// only after 15 to 30 s. At a new start the keys are there, which takes 2 s.
func (n *Nomad) startAgent(ctx context.Context, config string) error {
	const tries = 5
	for try := 1; ; try++ {
		var err error
		n.Process, err = Start(ctx, Command{
			Name: "nomad", Path: n.options.Bin, Args: []string{"agent", "-config", config}, Data: n.options.Data,
			Ready: n.api.hasLeader, Within: time.Minute, Grace: 15 * time.Second,
			// Tasks inherit it, and the caller's folder is not in their chroot.
			Env: []string{"TMPDIR=/tmp"},
		})
		if err != nil {
			return err
		}
		if err := n.admit(ctx); err != nil {
			return err
		}
		patience := 3 * time.Second
		if try == tries {
			patience = time.Minute
		}
		err = n.waitReady(ctx, n.api.clientRegistered, patience)
		if err == nil {
			return n.awaitNode(ctx)
		}
		if ctx.Err() != nil || n.Err() != nil || try == tries {
			return err
		}
		n.Process.Stop()
	}
}

// awaitNode waits until this agent's node is ready and can run tasks.
func (n *Nomad) awaitNode(ctx context.Context) error {
	id, err := n.options.nodeID()
	if err != nil {
		return err
	}
	n.NodeID = id
	drivers := []string{"exec"}
	if n.options.Docker != "" {
		drivers = append(drivers, "docker")
	}
	return n.waitReady(ctx, func(ctx context.Context) error { return n.api.nodeReady(ctx, n.NodeID, drivers) }, time.Minute)
}

// drain ends all tasks on the node but the volume plugin's, which unmounts what they leave, and waits until they have
// ended. The node takes no work afterwards.
func (n *Nomad) drain(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := n.api.drain(ctx, n.NodeID); err != nil {
		return fmt.Errorf("drain the node: %w", err)
	}
	told := 0
	for {
		running, err := n.api.running(ctx, n.NodeID)
		if err == nil && running == 0 {
			// Collecting them makes Nomad take away their mounts and files.
			return n.api.collect(ctx, n.NodeID)
		}
		if err == nil && running != told {
			n.options.Progress(fmt.Sprintf("stopping %d jobs", running))
			told = running
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d jobs did not stop within %s, they were killed", told, within)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
