# ONLYOFFICE Docs in production: the upstream community image, one for all clouds of the platform. Changes that are not
# saved to a cloud yet are in a PostgreSQL database and on the volume; the queue (RabbitMQ) is inside the image.
#
# At the first start of a new version the image empties its tables, and at the very first start it generates fonts,
# which takes minutes.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var volume=… job.nomad.hcl

variable "job_id" {
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
  default = 2000
}

variable "memory" {
  type    = number # MiB
  default = 3072
}

variable "memory_max" {
  type    = number # MiB
  default = 4096
}

job "onlyoffice" {
  id   = "${var.job_id}"
  type = "service"

  update {
    healthy_deadline  = "15m"
    progress_deadline = "20m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 80
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
        path     = "/healthcheck"
        interval = "30s"
        timeout  = "10s"
      }
    }

    task "onlyoffice" {
      driver = "docker"

      config {
        image = "docker.io/onlyoffice/documentserver:9.3.1.2"
        ports = ["http"]
      }

      # Files being edited, and the version file: without it the image would empty its tables at every start. Both folders
      # share the volume, since no file name occurs in both.
      volume_mount {
        volume      = "data"
        destination = "/var/lib/onlyoffice"
      }
      volume_mount {
        volume      = "data"
        destination = "/var/www/onlyoffice/Data"
      }

      env {
        DB_TYPE                  = "postgres"
        JWT_ENABLED              = "true"
        JWT_HEADER               = "Authorization"
        WOPI_ENABLED             = "false"
        ADMINPANEL_ENABLED       = "false"
        EXAMPLE_ENABLED          = "false"
        PLUGINS_ENABLED          = "false" # plugins are third-party pages
        METRICS_ENABLED          = "false"
        NGINX_ACCESS_LOG         = "false"
        ALLOW_META_IP_ADDRESS    = "false"
        ALLOW_PRIVATE_IP_ADDRESS = "false" # clouds are reached by their public names
        USE_UNAUTHORIZED_STORAGE = "false"
      }

      # Secrets are quoted as JSON, which env files accept.
      template {
        destination = "secrets/onlyoffice.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          JWT_SECRET={{ .jwt_secret.Value | toJSON }}
          SECURE_LINK_SECRET={{ .link_secret.Value | toJSON }}
          DB_HOST={{ .db_host.Value | toJSON }}
          DB_PORT={{ .db_port.Value | toJSON }}
          DB_NAME={{ .db_name.Value | toJSON }}
          DB_USER={{ .db_user.Value | toJSON }}
          DB_PWD={{ .db_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      # Open documents are first saved to their clouds.
      kill_timeout = "4m"
    }
  }
}
