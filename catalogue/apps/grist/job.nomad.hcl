# Grist in production: the image of the free edition, its documents and their list as SQLite files on the volume.
#
# Two processes on one volume corrupt documents: there is one allocation, and frama's update block stops it before the
# next one starts.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20003 -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "url" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

variable "cpu" {
  type    = number # MHz
  default = 300
}

variable "memory" {
  type    = number # MiB
  default = 512
}

variable "memory_max" {
  type    = number # MiB
  default = 1536
}

job "grist" {
  id   = "${var.job_id}"
  type = "service"

  # The first start creates the sandbox's checkpoint and the database.
  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8484
      }
    }

    volume "data" {
      source = var.volume
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/status?db=1&ready=1"
        interval = "10s"
        timeout  = "5s"
      }
    }

    # The image starts as root, takes ownership of /persist, then drops to its user grist.
    task "grist" {
      driver = "docker"

      config {
        image = "docker.io/gristlabs/grist-oss:1.7.17"
        ports = ["http"]
      }

      volume_mount {
        volume      = "data"
        destination = "/persist"
      }

      env {
        PORT                           = "8484"
        APP_HOME_URL                   = var.url
        GRIST_SINGLE_ORG               = "association"
        GRIST_SANDBOX_FLAVOR           = "gvisor" # formulas are Python: without a sandbox it does not start
        GRIST_IN_SERVICE               = "true"   # no setup that waits for a key from the logs
        GRIST_ANON_PLAYGROUND          = "false"
        GRIST_ORG_CREATION_ANYONE      = "false"
        GRIST_HIDE_UI_ELEMENTS         = "billing,createSite,multiSite,supportGrist,sendToDrive,importFromAirtable,templates"
        GRIST_TELEMETRY_LEVEL          = "off"
        GRIST_WIDGET_LIST_URL          = "" # no list of external widgets
        GRIST_MAX_UPLOAD_IMPORT_MB     = "50"
        GRIST_MAX_UPLOAD_ATTACHMENT_MB = "20"

        # Without a login system, Grist signs every visitor in as the administrator. This one leads to the page for the
        # key; everything else it does requires a header with a secret name.
        GRIST_LOGIN_SYSTEM_TYPE       = "forward-auth"
        GRIST_FORWARD_AUTH_LOGIN_PATH = "/boot"
      }

      # User input and secrets are quoted as JSON, which env files accept.
      template {
        destination = "secrets/grist.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          GRIST_ADMIN_EMAIL={{ .email.Value | toJSON }}
          GRIST_DEFAULT_EMAIL={{ .email.Value | toJSON }}
          GRIST_SUPPORT_EMAIL={{ .email.Value | toJSON }}
          GRIST_DEFAULT_LOCALE={{ .language.Value | toJSON }}
          GRIST_PAGE_TITLE_SUFFIX={{ printf " - %s" .title.Value | toJSON }}
          GRIST_BOOT_KEY={{ .boot_key.Value | toJSON }}
          GRIST_SESSION_SECRET={{ .session_secret.Value | toJSON }}
          GRIST_FORWARD_AUTH_HEADER={{ printf "x-frama-%s" .header.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      kill_timeout = "60s"
    }
  }
}
