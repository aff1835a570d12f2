# MeshCentral in production: the upstream image; certificates, database and files on the volume.
#
# The first start creates the administrator's account before the sign-up form is reachable, since the first person to
# sign up becomes administrator. Then it creates certificates and signs the agents, for a minute or two. This instance
# controls the association's computers: plugins and self-updates are off.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var host=… -var url=https://… -var port=20000 -var ingress=… -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "host" {
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

variable "ingress" {
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

job "meshcentral" {
  id   = "${var.job_id}"
  type = "service"

  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 4430
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
        path     = "/health.ashx"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "meshcentral" {
      driver = "docker"

      config {
        image = "ghcr.io/ylianst/meshcentral:1.1.59"
        ports = ["http"]

        # The database is a file, so an account can only be created from outside while nothing else runs. The sign-up
        # form would first require a confirmation by mail.
        entrypoint = ["bash", "-c", <<-EOT
          if [ ! -e /data/account ]; then
            node /local/account.js --createaccount admin || exit 1
            node /local/account.js --adminaccount admin || exit 1
            touch /data/account
          fi
          exec bash /opt/meshcentral/entrypoint.sh
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        CONFIG_FILE    = "/secrets/config.json"
        DYNAMIC_CONFIG = "false" # only the file below counts
      }

      # User input and secrets are quoted as JSON, which the file is. TLS ends at the ingress (tlsOffload, aliasPort).
      # Agents compare the certificate they see with that of certUrl, which MeshCentral fetches again when they differ.
      # The limit on a user's files (userQuota, bytes) is per account.
      template {
        destination = "secrets/config.json"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {
            "settings": {
              "cert": "${var.host}",
              "datapath": "/data/server",
              "filespath": "/data/files",
              "port": 4430,
              "aliasPort": 443,
              "redirPort": 0,
              "mpsPort": 0,
              "tlsOffload": "127.0.0.0/8,${replace(var.ingress, " ", ",")}",
              "WANonly": true,
              "sessionKey": {{ .session_key.Value | toJSON }},
              "agentPong": 60,
              "browserPong": 60,
              "selfUpdate": false,
              "autoBackup": false,
              "agentTimeStampServer": false,
              "allowFraming": false,
              "webRTC": false,
              "plugins": { "enabled": false }
            },
            "domains": {
              "": {
                "title": {{ .title.Value | toJSON }},
                "title2": "",
                "certUrl": "${var.url}",
                "newAccounts": false,
                "newAccountsPass": {{ .creation_token.Value | toJSON }},
                "localSessionRecording": false,
                "userQuota": {{ if .files_stopped }}{{ if eq .files_stopped.Value "true" }}1, "meshQuota": 1{{ else }}104857600{{ end }}{{ else }}104857600{{ end }},
                "minify": true
              }
            },
            "smtp": {
              "host": {{ .smtp_host.Value | toJSON }},
              "port": {{ .smtp_port.Value }},
              "from": {{ .smtp_from.Value | toJSON }},
              {{ if .smtp_user.Value -}}
              "user": {{ .smtp_user.Value | toJSON }},
              "pass": {{ .smtp_password.Value | toJSON }},
              {{ end -}}
              "tls": {{ if eq .smtp_port.Value "465" }}true{{ else }}false{{ end }}
            }
          }
          {{ end -}}
        EOT
      }

      template {
        destination = "secrets/account.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          FRAMA_ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          FRAMA_ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # MeshCentral's own commands. The password is an argument of this process only, which others cannot see. Without
      # --launch, it would start itself again with the same arguments. It ends at the end of its input, which in a
      # container is at once.
      template {
        destination = "local/account.js"
        data        = <<-EOT
          process.argv.push(
            '--launch', String(process.pid), '--configfile', process.env.CONFIG_FILE,
            '--email', process.env.FRAMA_ADMIN_EMAIL, '--pass', process.env.FRAMA_ADMIN_PASSWORD,
          );
          Object.defineProperty(process, 'stdin', { value: new (require('stream').PassThrough)() });
          require('/opt/meshcentral/meshcentral/meshcentral.js').mainStart();
        EOT
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
