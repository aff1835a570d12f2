package dev

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// agentConfig is Nomad's own configuration.
//
//   - data_dir lasts, unlike with -dev, so that jobs and volumes are found again. Everything else follows from that:
//     loopback must be advertised by hand, and the ACL be bootstrapped.
//   - Cloud fingerprinters would delay the start by seconds, and fail where AWS_CA_BUNDLE is set.
//   - chroot_env is a skeleton of a few files instead of a copy of the system in each task folder, which took tens
//     of seconds and gigabytes a task; programs come from the volume frama-usr. See writeSkeleton.
const agentConfig = `name      = "dev"
data_dir  = %[1]q
bind_addr = "127.0.0.1"
log_level = "INFO"

advertise {
  http = "127.0.0.1:%[2]d"
  rpc  = "127.0.0.1:%[3]d"
  serf = "127.0.0.1:%[4]d"
}

ports {
  http = %[2]d
  rpc  = %[3]d
  serf = %[4]d
}

disable_update_check        = true
disable_anonymous_signature = true

# Many tests talk to one agent from one address.
limits {
  http_max_conns_per_client = 0
}

# Short, since registering depends on it: see clientRegistered.
acl {
  enabled    = true
  token_ttl  = "1s"
  policy_ttl = "1s"
}

consul {
  client_auto_join = false
  server_auto_join = false
  auto_advertise   = false
}

server {
  enabled              = true
  bootstrap_expect     = 1
  raft_multiplier      = 1
  job_tracked_versions = 3
  event_buffer_size    = 2000
  job_gc_threshold     = "1h"
  eval_gc_threshold    = "30m"
  heartbeat_grace      = "1m"

  default_scheduler_config {
    memory_oversubscription_enabled = true
  }
}

client {
  enabled           = true
  state_dir         = %[10]q
  network_interface = "lo"
  min_dynamic_port  = %[5]d
  max_dynamic_port  = %[6]d
  cpu_total_compute = %[7]d
  memory_total_mb   = %[8]d
  gc_max_allocs     = 2000
  gc_disk_usage_threshold  = 99
  gc_inode_usage_threshold = 99
  max_kill_timeout  = "2m"
%[12]s
  options {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
%[11]s  }

  chroot_env {
%[9]s  }

  host_volume "frama-usr" {
    path      = "/usr"
    read_only = true
  }
}

plugin "raw_exec" {
  config {
    enabled = true
  }
}
`

// dockerConfig is that of the driver for containers.
//
//   - Images stay, and containers that this agent does not know are left alone: several agents share the engine, and each
//     would remove those of the others.
//   - volumes: no paths of the machine, only volumes and files of the task itself.
//   - pids_limit is for tasks that set none. The labels tell whose a container is.
const dockerConfig = `
plugin "docker" {
  config {
    endpoint              = %q
%s    allow_privileged      = false
    pids_limit            = 2000
    pull_activity_timeout = "5m"
    extra_labels          = ["job_name", "task_group_name", "task_name", "namespace", "node_name", "node_id"]

    gc {
      image     = false
      container = true

      dangling_containers {
        enabled = false
      }
    }

    volumes {
      enabled = false
    }
  }
}
`

func (o *NomadOptions) writeConfig() (path, clientDir string, err error) {
	state := filepath.Join(o.Data, "state")
	if err := os.MkdirAll(state, 0o755); err != nil {
		return "", "", fmt.Errorf("data folder of Nomad: %w", err)
	}
	clientDir, err = shortClientDir(state)
	if err != nil {
		return "", "", err
	}
	chroot, err := writeSkeleton(filepath.Join(o.Data, "chroot"))
	if err != nil {
		return "", "", fmt.Errorf("write the skeleton of task folders: %w", err)
	}
	for _, from := range slices.Sorted(maps.Keys(o.Chroot)) {
		chroot += fmt.Sprintf("    %q = %q\n", from, o.Chroot[from])
	}
	noDocker := ""
	if o.Docker == "" {
		noDocker = "    \"driver.denylist\" = \"docker\"\n" // it would find the machine's own
	}
	text := fmt.Sprintf(agentConfig, state, o.HTTP.Number, o.RPC.Number, o.Serf.Number, o.MinPort, o.MaxPort,
		o.CPU, o.Memory, chroot, clientDir, noDocker, o.cni())
	if o.Docker != "" {
		infra := ""
		if o.InfraImage != "" {
			infra = fmt.Sprintf("    infra_image           = %q\n", o.InfraImage)
		}
		text += fmt.Sprintf(dockerConfig, "unix://"+o.Docker, infra)
	}
	path = filepath.Join(o.Data, "nomad.hcl")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", "", fmt.Errorf("write Nomad's configuration: %w", err)
	}
	return path, clientDir, nil
}

// longestClientDir is how long the path of the client's state may be: sockets of plugins are below it, and the path of a
// socket has 107 bytes at most.
const longestClientDir = 107 - len("/csi/plugins/01234567-0123-0123-0123-0123456789ab/csi.sock")

// shortClientDir is the folder for the state of Nomad's client, or a link to it where its path is too long.
func shortClientDir(state string) (string, error) {
	dir := filepath.Join(state, "client")
	if len(dir) <= longestClientDir {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data folder of Nomad: %w", err)
	}
	link := linkTo(dir)
	if err := os.Symlink(dir, link); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("short path to the data folder of Nomad: %w", err)
	}
	return link, nil
}

func linkTo(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "/run/frama-dev-" + hex.EncodeToString(sum[:6])
}

// removeShortClientDir removes the link, if there is one; the next start makes it again.
func removeShortClientDir(data string) { _ = os.Remove(linkTo(filepath.Join(data, "state", "client"))) }

// cni names the plugins of Debian's package and the networks made of them.
func (o *NomadOptions) cni() string {
	if o.CNI == "" {
		return ""
	}
	return fmt.Sprintf("  cni_path          = \"/usr/lib/cni\"\n  cni_config_dir    = %q\n", absolute(o.CNI))
}

// etcFiles are what programs look for in /etc when they resolve names, users, times and libraries, and check
// certificates.
var etcFiles = []string{
	"group", "hosts", "ld.so.cache", "localtime", "nsswitch.conf", "passwd", "resolv.conf", "ssl/certs/ca-certificates.crt",
}

// writeSkeleton makes what a task sees as / beside its volumes, and returns the lines of chroot_env for it. Where /bin
// and /lib lead into /usr, as on every current distribution, the skeleton has the same links, and the volume frama-usr
// fills them; elsewhere those folders are embedded, which is slow but right.
func writeSkeleton(dir string) (chrootEnv string, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "etc/ssl/certs"), 0o755); err != nil {
		return "", err
	}
	for _, name := range etcFiles {
		text, err := os.ReadFile(filepath.Join("/etc", name))
		if err != nil {
			continue // not every system has each
		}
		if err := os.WriteFile(filepath.Join(dir, "etc", name), text, 0o644); err != nil {
			return "", err
		}
	}
	var lines strings.Builder
	fmt.Fprintf(&lines, "    %q = \"/\"\n", dir)
	for _, top := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		target, err := os.Readlink("/" + top)
		switch {
		case err == nil:
			if err := os.Symlink(target, filepath.Join(dir, top)); err != nil {
				return "", err
			}
		case exists("/" + top):
			fmt.Fprintf(&lines, "    %q = %q\n", "/"+top, "/"+top)
		}
	}
	return lines.String(), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
