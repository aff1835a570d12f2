# Etherpad as a plain process, for development and tests: the npm package of 1.8.14, its pads in a file of the volume.
#
# The chroot holds next to nothing: programs come from the host volumes frama-usr (/usr) and frama-native (what
# deploy/tools/get installed), so that a start copies no files. The agent must offer both, read-only, and link /bin,
# /lib and /lib64 into /usr. By hand:
#   nomad var put nomad/jobs/JOB title=… language=fr admin_password=… api_key=… session_key=…
#   nomad job run -var job_id=JOB -var port=20000 -var volume=… native.nomad.hcl

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

  # frama overrides these; by hand the default of 10 s would double the wait.
  update {
    min_healthy_time  = "1s"
    healthy_deadline  = "2m"
    progress_deadline = "3m"
  }

  group "app" {
    # A port that its last owner has not left yet is free a moment later; Nomad's default would wait 15 s.
    restart {
      attempts = 10
      interval = "2m"
      delay    = "1s"
      mode     = "fail"
    }

    network {
      port "http" {
        static = var.port
      }
    }

    volume "data" {
      source = var.volume
    }

    volume "usr" {
      type      = "host"
      source    = "frama-usr"
      read_only = true
    }

    volume "native" {
      type      = "host"
      source    = "frama-native"
      read_only = true
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/api"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "etherpad" {
      driver = "exec"

      config {
        # env finds node wherever it lies below /usr.
        command = "/usr/bin/env"
        args = [
          "node", "/native/etherpad/src/node/server.js",
          "--settings", "${NOMAD_SECRETS_DIR}/settings.json",
          "--apikey", "${NOMAD_SECRETS_DIR}/APIKEY.txt",
          "--sessionkey", "${NOMAD_SECRETS_DIR}/SESSIONKEY.txt",
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }

      volume_mount {
        volume      = "native"
        destination = "/native"
        read_only   = true
      }

      env {
        NODE_ENV = "production"
        PATH     = "/usr/local/bin:/usr/bin:/bin"
        HOME     = "${NOMAD_TASK_DIR}"
      }

      # What people typed is data: quoted as JSON. Etherpad takes a string that is "$${NAME}" for an environment
      # variable, hence the space.
      template {
        destination = "secrets/settings.json"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {
            "title": {{ .title.Value | replaceAll "$${" "$ {" | toJSON }},
            "ip": "{{ env "NOMAD_IP_http" }}",
            "port": {{ env "NOMAD_PORT_http" }},
            "trustProxy": true,
            "editOnly": {{ if .edit_only }}{{ eq .edit_only.Value "true" }}{{ else }}false{{ end }},
            "skinName": "colibris",
            "dbType": "dirty",
            "dbSettings": { "filename": "/data/pads.db" },
            "defaultPadText": "",
            "suppressErrorsInPadText": true,
            "disableIPlogging": true,
            "padOptions": { "lang": {{ .language.Value | toJSON }} },
            "users": { "admin": { "password": {{ .admin_password.Value | toJSON }}, "is_admin": true } }
          }
          {{ end -}}
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

      kill_timeout = "15s"
    }
  }
}
