# MeshCentral in production: the upstream image; certificates, database and files on the volume.
#
# The first start makes the administrator's account, before anybody can reach the form (who fills it in first is
# administrator), then certificates, and signs the programs for computers: a minute or two. Whoever holds this instance
# holds the computers: plugins and changes of itself are off.
# frama sets ID, namespace, meta, node, update and disconnect blocks. By hand:
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

        # The database is a file: an account can be made from outside only while nothing else runs. By the form, its
        # address would have to be confirmed by mail first.
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
        DYNAMIC_CONFIG = "false" # the file below is all there is
      }

      # What people typed and every secret: quoted as JSON, which it is. The ingress speaks https (tlsOffload, aliasPort);
      # agents compare the certificate they see with that of certUrl, which MeshCentral fetches again when they differ.
      # The limit of a user's files (userQuota, bytes) is per account.
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

      # MeshCentral's own commands, with the password among the words of this process alone, where nobody sees them.
      # --launch: it would else start itself again with the same words. Then it ends as soon as there is no more to read,
      # which in a container is at once.
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
