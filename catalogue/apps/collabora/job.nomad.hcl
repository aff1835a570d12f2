# Collabora Online in production: the upstream development edition, one for all clouds of the platform. It stores
# nothing and has no volume.
#
# Each document is edited in its own process. Docker's default capabilities suffice if files are copied
# (mount_jail_tree=false); mounting them would need a capability over the node.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var host=office.example.org -var port=20000 job.nomad.hcl

variable "job_id" {
  type = string
}

variable "host" {
  type = string
}

variable "port" {
  type = number
}

variable "cpu" {
  type    = number # MHz
  default = 1000
}

variable "memory" {
  type    = number # MiB
  default = 1024
}

variable "memory_max" {
  type    = number # MiB
  default = 2048
}

locals {
  # Hosts whose documents it opens, as a regular expression: all host names of the platform (for office.example.org, all
  # that end in .example.org). A list of clouds would need a restart for each new one, while people edit.
  platform = join("\\.", slice(split(".", var.host), 1, length(split(".", var.host))))
}

job "collabora" {
  id   = "${var.job_id}"
  type = "service"

  update {
    healthy_deadline  = "5m"
    progress_deadline = "10m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 9980
      }
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/hosting/discovery"
        interval = "15s"
        timeout  = "5s"
      }
    }

    task "collabora" {
      driver = "docker"

      config {
        image = "docker.io/collabora/code:26.04.3.2.1"
        ports = ["http"]
      }

      env {
        aliasgroup1       = "https://.*\\.${local.platform}:443"
        server_name       = var.host
        dictionaries      = "fr_FR en_GB en_US de_DE es_ES it nl pt_PT"
        DONT_GEN_SSL_CERT = "true" # TLS ends at the ingress

        # No console (it needs a password, and shows names of documents), no calls to third parties, no names of people
        # or documents in the logs.
        extra_params = join(" ", [
          "--o:ssl.enable=false",
          "--o:ssl.termination=true",
          "--o:mount_jail_tree=false",
          "--o:admin_console.enable=false",
          "--o:fetch_update_check=0",
          "--o:allow_update_popup=false",
          "--o:welcome.enable=false",
          "--o:logging.level=warning",
          "--o:logging.anonymize.anonymize_user_data=true",
        ])
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      # Open documents are first saved to their clouds.
      kill_timeout = "2m"
    }
  }
}
