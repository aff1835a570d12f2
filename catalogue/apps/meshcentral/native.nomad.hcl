# MeshCentral as a plain process, for development and tests: the npm package, with its own database and its certificates on
# the volume. It sends no mail, and of the programs for computers has only that for Linux on x86-64.
#
# The chroot holds next to nothing: programs come from the host volumes frama-usr (/usr) and frama-native (what
# deploy/tools/get installed), so that a start copies no files. The agent must offer both, read-only, and link /bin,
# /lib and /lib64 into /usr. By hand:
#   nomad var put nomad/jobs/JOB title=… admin_email=… admin_password=… creation_token=… session_key=…
#   nomad job run -var job_id=JOB -var host=… -var port=20000 -var volume=… native.nomad.hcl

variable "job_id" {
  type = string
}

variable "host" {
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

job "meshcentral" {
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
        path     = "/health.ashx"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "meshcentral" {
      driver = "exec"

      config {
        # The first account is made before the server answers anybody. A start that was cut short makes it at the next.
        command = "/usr/bin/sh"
        args = ["-ec", <<-EOT
          mkdir -p /data/server /data/files
          if [ ! -e /data/server/account-made ]; then
            node "$NOMAD_TASK_DIR/start.js" account
            node "$NOMAD_TASK_DIR/start.js" administrator
            touch /data/server/account-made
          fi
          exec node --disable-proto=delete "$NOMAD_TASK_DIR/start.js" server
        EOT
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

      # What people typed and every secret: quoted as JSON, which it is. The ingress speaks https (tlsOffload, aliasPort).
      template {
        destination = "secrets/config.json"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {
            "settings": {
              "cert": "${var.host}",
              "datapath": "/data/server",
              "filespath": "/data/files",
              "port": {{ env "NOMAD_PORT_http" }},
              "portBind": "{{ env "NOMAD_IP_http" }}",
              "exactPorts": true,
              "aliasPort": 443,
              "redirPort": 0,
              "mpsPort": 0,
              "tlsOffload": "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
              "WANonly": true,
              "sessionKey": {{ .session_key.Value | toJSON }},
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
                "newAccounts": false,
                "newAccountsPass": {{ .creation_token.Value | toJSON }},
                "localSessionRecording": false,
                "userQuota": {{ if .files_stopped }}{{ if eq .files_stopped.Value "true" }}1, "meshQuota": 1{{ else }}104857600{{ end }}{{ else }}104857600{{ end }},
                "minify": true
              }
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
          ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # MeshCentral would start itself a second time, with all words of the first; told that this is the second, it stays
      # one process. The password is among its words only for itself: those that others see are the ones above. It takes
      # the end of its input for its parent's, hence an input without end, and knows Ctrl-C only as a signal to stop.
      template {
        destination = "local/start.js"
        data        = <<-EOT
          const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env
          delete process.env.ADMIN_PASSWORD
          const words = {
            account: ["--createaccount", "admin", "--email", ADMIN_EMAIL, "--pass", ADMIN_PASSWORD],
            administrator: ["--adminaccount", "admin"],
            server: [],
          }[process.argv[2]]
          process.argv.splice(2, 1, "--launch", "1", "--datapath", "/data/server", "--configfile", "/secrets/config.json", ...words)
          Object.defineProperty(process, "stdin", { value: new (require("stream").PassThrough)() })
          process.on("SIGTERM", () => process.emit("SIGINT"))
          require("/native/meshcentral/node_modules/meshcentral").mainStart()
        EOT
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
