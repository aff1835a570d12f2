# Lufi in production: an image that the host builds itself (Dockerfile beside this file), metadata of files in a
# PostgreSQL database, the encrypted files on the volume.
#
# Anybody can upload, by design. Sizes and retention times are small, and every page gives an abuse contact.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var registry=… -var host=… -var port=20000 -var ingress=… -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "registry" {
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

variable "ingress" {
  type = string
}

variable "plan" {
  type    = string
  default = "starter"
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

locals {
  # Bytes: of one file, and of all files (90 % of the volume).
  file_size  = lookup({ starter = 536870912, standard = 2147483648, large = 4294967296 }, var.plan, 536870912)
  total_size = lookup({ starter = 4831838208, standard = 38654705664, large = 193273528320 }, var.plan, 4831838208)
}

job "lufi" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8081
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
        path     = "/about/config"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "lufi" {
      driver = "docker"

      config {
        image   = "${var.registry}/lufi:0.07.3"
        ports   = ["http"]
        command = "sh"
        # Hourly maintenance: delete senders' addresses and expired files, stop uploads when the volume is nearly full.
        # The flag for that is a file in the working directory, so this runs beside the server and not in a separate
        # task.
        args = ["-c", <<-EOT
          cd /srv/lufi
          while sleep 3600; do
            for chore in cleanbdd cleanfiles watch; do
              carton exec script/lufi cron $chore
            done
          done &
          exec carton exec hypnotoad -f script/lufi
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        MOJO_MODE   = "production"
        MOJO_CONFIG = "/local/lufi.conf"

        FRAMA_FILE_SIZE  = format("%d", local.file_size)
        FRAMA_TOTAL_SIZE = format("%d", local.total_size)
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
        destination = "secrets/lufi.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          FRAMA_TITLE={{ .title.Value | toJSON }}
          FRAMA_CONTACT={{ .contact.Value | toJSON }}
          FRAMA_COOKIE_KEY={{ .cookie_key.Value | toJSON }}
          FRAMA_DB_HOST={{ .db_host.Value | toJSON }}
          FRAMA_DB_PORT={{ .db_port.Value | toJSON }}
          FRAMA_DB_NAME={{ .db_name.Value | toJSON }}
          FRAMA_DB_USER={{ .db_user.Value | toJSON }}
          FRAMA_DB_PASSWORD={{ .db_password.Value | toJSON }}
          PGSSLMODE={{ .db_sslmode.Value | toJSON }}
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          {{ end -}}
        EOT
      }

      # Perl code, so user input comes by the environment. Lock and PID files are not on the volume. It sends no mail:
      # an open form that sends mail attracts spammers.
      template {
        destination = "local/lufi.conf"
        data        = <<-EOT
          {
              hypnotoad => {
                  listen   => ['http://0.0.0.0:8081'],
                  proxy    => 1,
                  trusted_proxies => [split ' ', '${var.ingress}'],
                  workers  => 4,
                  clients  => 10,
                  pid_file => '/tmp/hypnotoad.pid',
              },
              lockfile_dir         => '/tmp',
              fixed_domain         => '${var.host}',
              instance_name        => Mojo::Util::decode('UTF-8', $ENV{FRAMA_TITLE}),
              contact              => Mojo::Util::xml_escape($ENV{FRAMA_CONTACT}),
              report               => $ENV{FRAMA_CONTACT},
              secrets              => [$ENV{FRAMA_COOKIE_KEY}],
              upload_dir           => '/data/files',
              max_file_size        => $ENV{FRAMA_FILE_SIZE},
              default_delay        => 7,
              max_delay            => 30,
              allow_pwd_on_files   => 1,
              disable_mail_sending => 1,
              keep_ip_during       => 365,
              max_total_size       => $ENV{FRAMA_TOTAL_SIZE},
              policy_when_full     => 'stop-upload',
              dbtype               => 'postgresql',
              pgdb                 => {
                  host     => $ENV{FRAMA_DB_HOST},
                  port     => $ENV{FRAMA_DB_PORT},
                  database => $ENV{FRAMA_DB_NAME},
                  user     => $ENV{FRAMA_DB_USER},
                  pwd      => $ENV{FRAMA_DB_PASSWORD},
              },
          };
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
