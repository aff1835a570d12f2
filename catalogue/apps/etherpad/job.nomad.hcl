# Etherpad in production: the upstream image, its pads in a PostgreSQL database of its own.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20000 -var volume=… job.nomad.hcl

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
  default = 200
}

variable "memory" {
  type    = number # MiB
  default = 256
}

variable "memory_max" {
  type    = number # MiB
  default = 768
}

job "etherpad" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 9001
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
        path     = "/health"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "etherpad" {
      driver = "docker"

      config {
        image = "docker.io/etherpad/etherpad:3.3.1"
        ports = ["http"]

        # The image's own command, with the job's files. Without key files, each start would create new ones beside the
        # code. credentials.json overrides the image's settings.
        command = "sh"
        args = ["-c", <<-EOT
          cd /opt/etherpad-lite/src && exec node --require tsx/cjs node/server.ts \
            --credentials /secrets/credentials.json --apikey /secrets/APIKEY.txt --sessionkey /secrets/SESSIONKEY.txt
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/opt/etherpad-lite/var"
      }

      env {
        NODE_ENV              = "production"
        PORT                  = "9001"
        PUBLIC_URL            = var.url
        SSO_ISSUER            = var.url # signs administrators in
        ADMIN_REDIRECT        = "${var.url}/admin/"
        USER_REDIRECT         = "${var.url}/"
        TRUST_PROXY           = "true"
        COOKIE_SAME_SITE      = "Lax"
        DB_TYPE               = "postgres"
        AUTHENTICATION_METHOD = "apikey"
        ENABLE_METRICS        = "false" # else /stats is public
        IP_LOGGING            = "anonymous"
        IMPORT_MAX_FILE_SIZE  = "10485760"
        DEFAULT_PAD_TEXT      = " " # must not be empty
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      # User input and secrets are quoted as JSON, which env files accept.
      template {
        destination = "secrets/etherpad.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          TITLE={{ .title.Value | toJSON }}
          PAD_OPTIONS_LANG={{ .language.Value | toJSON }}
          EDIT_ONLY="{{ if .edit_only }}{{ eq .edit_only.Value "true" }}{{ else }}false{{ end }}"
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          ADMIN_SECRET={{ .admin_client_secret.Value | toJSON }}
          USER_SECRET={{ .user_client_secret.Value | toJSON }}
          DB_HOST={{ .db_host.Value | toJSON }}
          DB_PORT={{ .db_port.Value | toJSON }}
          DB_NAME={{ .db_name.Value | toJSON }}
          DB_USER={{ .db_user.Value | toJSON }}
          PGSSLMODE={{ .db_sslmode.Value | toJSON }}
          NODE_EXTRA_CA_CERTS="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          DB_PASS={{ .db_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # No calls to upstream or GitHub: frama manages versions. 3.3.1 has no environment variables for these.
      template {
        destination = "secrets/credentials.json"
        perms       = "0444"
        data        = <<-EOT
          {
            "updates": { "tier": "off" },
            "privacy": { "updateCheck": false, "pluginCatalog": false }
          }
        EOT
      }

      template {
        destination = "secrets/APIKEY.txt"
        perms       = "0444"
        data        = "{{ with nomadVar \"nomad/jobs/${var.job_id}\" }}{{ .api_key.Value }}{{ end }}"
      }

      template {
        destination = "secrets/SESSIONKEY.txt"
        perms       = "0444"
        data        = "{{ with nomadVar \"nomad/jobs/${var.job_id}\" }}{{ .session_key.Value }}{{ end }}"
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      kill_timeout = "30s"
    }
  }
}
