# What frama's own token may do on a Nomad cluster, and nothing else. Made once by an administrator:
#
#   nomad namespace apply frama
#   nomad acl policy apply -description "frama" frama frama.policy.hcl
#   nomad acl token create -name frama -policy frama
#
# frama doctor says which of these is missing. For another namespace than frama, change the name below.

namespace "frama" {
  capabilities = [
    "list-jobs",
    "parse-job",
    "read-job",
    "submit-job", # also plans
    "alloc-exec", # the first settings of a fresh application, made inside of it, and how much it uses
    "host-volume-create",
    "host-volume-read",
    "host-volume-write", # deletes too: only after a space was retired
  ]

  # Secrets of the instances. Each job reads its own with its workload identity; frama must read them to write only
  # what differs.
  variables {
    path "nomad/jobs/*" {
      capabilities = ["list", "read", "write", "destroy"]
    }
  }
}

# Where there is room.
node {
  policy = "read"
}

# Whether jobs may use more memory than they ask for: capacity.overcommit_memory needs it.
operator {
  policy = "read"
}

# Registering a job that mounts a volume asks for this, by the name of the volume.
host_volume "*-data" {
  policy = "write"
}

# Folders of the machine that the native variants of applications run from: development only, elsewhere there are none
# of these names.
host_volume "frama-usr" {
  policy = "read"
}
host_volume "frama-native" {
  policy = "read"
}
