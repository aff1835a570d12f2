# What frama's own token may do on a Nomad cluster, and nothing else. Made once by an administrator:
#
#   nomad namespace apply frama
#   nomad namespace apply frama-node
#   nomad acl policy apply -description "frama" frama frama.policy.hcl
#   nomad acl token create -name frama -policy frama
#
# frama doctor says which of these is missing. For other namespaces than these, change the names below.

namespace "frama" {
  capabilities = [
    "list-jobs",
    "parse-job",
    "read-job",
    "submit-job", # also plans
    "alloc-exec", # the first settings of a fresh application, made inside of it, and how much it uses
    "csi-list-volume",
    "csi-read-volume",
    "csi-write-volume", # registers and deregisters, which makes and removes nothing on a disk
    "csi-mount-volume", # submits jobs with volumes
  ]

  # Secrets of the instances. Each job reads its own with its workload identity; frama must read them to write only
  # what differs.
  variables {
    path "nomad/jobs/*" {
      capabilities = ["list", "read", "write", "destroy"]
    }
  }
}

# Where the jobs of each machine run, the volume plugin first: frama makes, resizes and removes volumes by commands in its task. Whoever may
# do that is root on every node.
namespace "frama-node" {
  capabilities = [
    "read-job",
    "alloc-exec",
    "alloc-node-exec",
  ]
}

# Whether the volume plugin is healthy.
plugin {
  policy = "read"
}

# Where there is room.
node {
  policy = "read"
}

# Whether jobs may use more memory than they ask for: capacity.overcommit_memory needs it. And the version of the servers.
operator {
  policy = "read"
}
