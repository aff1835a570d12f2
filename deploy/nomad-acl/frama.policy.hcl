# The ACL policy of frama's own token. An administrator creates it once:
#
#   nomad namespace apply frama
#   nomad namespace apply frama-node
#   nomad acl policy apply -description "frama" frama frama.policy.hcl
#   nomad acl token create -name frama -policy frama
#
# frama doctor names missing rights. For other namespaces, change the names below.

namespace "frama" {
  capabilities = [
    "list-jobs",
    "parse-job",
    "read-job",
    "submit-job", # includes planning
    "alloc-exec", # first settings of a new application, and measuring its usage
    "csi-list-volume",
    "csi-read-volume",
    "csi-write-volume", # register and deregister, which changes nothing on disk
    "csi-mount-volume", # submit jobs with volumes
  ]

  # Secrets of the instances. Each job reads its own with its workload identity; frama reads them in order to write only
  # differences.
  variables {
    path "nomad/jobs/*" {
      capabilities = ["list", "read", "write", "destroy"]
    }
  }
}

# The jobs of each machine. frama creates, resizes and removes volumes by commands in the volume plugin's task. This right is
# equivalent to root on every node.
namespace "frama-node" {
  capabilities = [
    "read-job",
    "alloc-exec",
    "alloc-node-exec",
  ]
}

# Health of the volume plugin.
plugin {
  policy = "read"
}

# Resources of the nodes.
node {
  policy = "read"
}

# Memory oversubscription, which capacity.overcommit_memory needs, and the version of the servers.
operator {
  policy = "read"
}
