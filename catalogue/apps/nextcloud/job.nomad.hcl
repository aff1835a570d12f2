# Nextcloud in production: the community's image with Apache, its background jobs beside it, a PostgreSQL database of its
# own, and a cache that nobody else reaches.
#
# Code, settings and files are one volume: the image copies its code there at each upgrade. The first start installs
# (one to five minutes), and the start after an upgrade migrates: frama's update block stops the old version before.
#
# Office is a Collabora shared by all associations: the host adds the application richdocuments and its address later.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. By hand:
#   nomad job run -var job_id=… -var host=… -var url=https://… -var port=20002 -var volume=… job.nomad.hcl

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

variable "plan" {
  type    = string
  default = "standard"
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
  default = 3072
}

locals {
  # What is reserved is for the three tasks together.
  cron_cpu         = floor(var.cpu / 5)
  cron_memory      = floor(var.memory / 6)
  cron_memory_max  = floor(var.memory_max / 4)
  redis_cpu        = floor(var.cpu / 10)
  redis_memory     = floor(var.memory / 12)
  redis_memory_max = floor(var.memory_max / 16)
  memory_max       = var.memory_max - local.cron_memory_max - local.redis_memory_max

  # For all accounts together: less than the volume, which also holds code, previews and the trash.
  quotas = { starter = "3 GB", standard = "28 GB", large = "150 GB" }
  quota  = lookup(local.quotas, var.plan, "3 GB")

  # For an account to which nobody gave another; together more than the quota above, since few use theirs up.
  account_quotas = { starter = "1 GB", standard = "5 GB", large = "10 GB" }
  account_quota  = lookup(local.account_quotas, var.plan, "1 GB")
}

job "nextcloud" {
  id   = "${var.job_id}"
  type = "service"

  # An upgrade of many files takes minutes, and must not be cut short.
  update {
    healthy_deadline  = "30m"
    progress_deadline = "45m"
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
        path     = "/status.php"
        interval = "15s"
        timeout  = "10s"
      }
    }

    # Sessions, locks of files and cached pages. By a socket that only this allocation sees; all of it may be lost.
    task "redis" {
      driver = "docker"
      user   = "33:33" # the web server opens the socket

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image           = "docker.io/valkey/valkey:8.1.10-alpine"
        readonly_rootfs = true
        work_dir        = "/local"
        args = [
          "valkey-server",
          "--port", "0",
          "--unixsocket", "/alloc/data/redis.sock",
          "--unixsocketperm", "700",
          "--dir", "/local",
          "--save", "",
          "--appendonly", "no",
          "--maxmemory", "${floor(local.redis_memory * 3 / 4)}mb",
          "--maxmemory-policy", "allkeys-lru",
        ]
      }

      resources {
        cpu        = local.redis_cpu
        memory     = local.redis_memory
        memory_max = local.redis_memory_max
      }

      kill_timeout = "10s"
    }

    task "app" {
      driver = "docker"

      config {
        image = "docker.io/library/nextcloud:33.0.7-apache"
        ports = ["http"]

        mount {
          type     = "bind"
          source   = "local/post-installation.sh"
          target   = "/docker-entrypoint-hooks.d/post-installation/frama.sh"
          readonly = true
        }
        mount {
          type     = "bind"
          source   = "local/post-upgrade.sh"
          target   = "/docker-entrypoint-hooks.d/post-upgrade/frama.sh"
          readonly = true
        }
        mount {
          type     = "bind"
          source   = "local/before-starting.sh"
          target   = "/docker-entrypoint-hooks.d/before-starting/frama.sh"
          readonly = true
        }
        mount {
          type     = "bind"
          source   = "local/apache.conf"
          target   = "/etc/apache2/conf-enabled/zz-frama.conf"
          readonly = true
        }
      }

      volume_mount {
        volume      = "data"
        destination = "/var/www/html"
      }

      env {
        NEXTCLOUD_ADMIN_USER      = "admin"
        NEXTCLOUD_TRUSTED_DOMAINS = var.host
        OVERWRITEHOST             = trimprefix(var.url, "https://") # with its port, where there is one
        OVERWRITEPROTOCOL         = "https"
        OVERWRITECLIURL           = var.url
        TRUSTED_PROXIES           = "127.0.0.1/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"
        APACHE_DISABLE_REWRITE_IP = "1" # as TRUSTED_PROXIES wants
        REDIS_HOST                = "/alloc/data/redis.sock"
        PHP_MEMORY_LIMIT          = "512M"
        PHP_UPLOAD_LIMIT          = "1G"
        APACHE_BODY_LIMIT         = "1073741824" # bytes; clients send larger files in pieces
        FRAMA_QUOTA               = local.quota
        FRAMA_ACCOUNT_QUOTA       = local.account_quota
      }

      # What people typed and every secret: quoted as JSON, which the reader of such files understands.
      template {
        destination = "secrets/nextcloud.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          NEXTCLOUD_ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          FRAMA_EMAIL={{ .email.Value | toJSON }}
          OC_PASS={{ .check_password.Value | toJSON }}
          POSTGRES_HOST={{ printf "%s:%s" .db_host.Value .db_port.Value | toJSON }}
          POSTGRES_DB={{ .db_name.Value | toJSON }}
          POSTGRES_USER={{ .db_user.Value | toJSON }}
          POSTGRES_PASSWORD={{ .db_password.Value | toJSON }}
          SMTP_HOST={{ .smtp_host.Value | toJSON }}
          SMTP_PORT={{ .smtp_port.Value | toJSON }}
          SMTP_SECURE="{{ if eq .smtp_port.Value "465" }}ssl{{ end }}"
          SMTP_NAME={{ .smtp_user.Value | toJSON }}
          SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
          {{- $from := .smtp_from.Value | split "@" }}
          MAIL_FROM_ADDRESS={{ index $from 0 | toJSON }}
          MAIL_DOMAIN={{ index $from 1 | toJSON }}
          {{ end -}}
        EOT
      }

      # What frama decides, written over at each start. The rest is the association's, in its own settings pages.
      template {
        destination = "local/frama.json"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {
            "system": {
              "trusted_domains": ["${var.host}"],
              "default_language": {{ .language.Value | toJSON }},
              {{ if eq .language.Value "fr" -}}
              "default_locale": "fr_FR",
              "default_phone_region": "FR",
              {{ end -}}
              "maintenance_window_start": 1,
              "skeletondirectory": "",
              "simpleSignUpLink.shown": false,
              "updatechecker": false,
              "lookup_server": "",
              "log_rotate_size": 10485760,
              "activity_expire_days": 90,
              "trashbin_retention_obligation": "auto, 30",
              "versions_retention_obligation": "auto, 90"
            },
            "apps": {
              "core": { "backgroundjobs_mode": "cron" },
              "password_policy": { "enforceHaveIBeenPwned": "0" }
            }
          }
          {{ end -}}
        EOT
      }

      template {
        destination = "local/theming.json"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          { "apps": { "theming": { "name": {{ .title.Value | toJSON }} } } }
          {{ end -}}
        EOT
      }

      # Once, as www-data, when the database is made. A failure here would leave half an installation for ever, so
      # nothing in it may fail for want of the network.
      template {
        destination = "local/post-installation.sh"
        perms       = "0755"
        data        = <<-EOT
          #!/bin/sh
          set -u
          occ() { php /var/www/html/occ --no-interaction "$@"; }

          occ user:setting admin settings email "$FRAMA_EMAIL"
          occ config:import /local/theming.json
          # Their news and surveys are of others; frama decides about versions.
          for app in survey_client nextcloud_announcements updatenotification; do
            occ app:disable "$app"
          done
          # An account with little room and no rights, with which frama sees that files can be stored and read.
          occ user:add --password-from-env --display-name=frama frama
          occ user:setting frama files quota "10 MB"
          exit 0
        EOT
      }

      # The image keeps its own settings files as they were at installation; newer ones may know more.
      template {
        destination = "local/post-upgrade.sh"
        perms       = "0755"
        data        = <<-EOT
          #!/bin/sh
          set -u
          occ() { php /var/www/html/occ --no-interaction "$@"; }

          for file in /usr/src/nextcloud/config/*.config.php; do
            cp "$file" /var/www/html/config/
          done
          occ app:update --all || echo "frama: some applications could not be updated; the next upgrade tries again"
          occ db:add-missing-indices
          occ db:add-missing-columns
          occ db:add-missing-primary-keys
          exit 0
        EOT
      }

      # At each start. Applications come from Nextcloud's store: one that could not be had is tried again at the next
      # start, and one that an administrator removed stays away.
      template {
        destination = "local/before-starting.sh"
        perms       = "0755"
        data        = <<-EOT
          #!/bin/sh
          set -u
          occ() { php /var/www/html/occ --no-interaction "$@"; }

          # In maintenance most commands are missing, and whoever closed Nextcloud opens it again.
          occ status --output=json | grep -q '"maintenance":false' || exit 0
          occ config:import /local/frama.json || echo "frama: not all settings were taken over"

          occ config:app:set files default_quota --value="$FRAMA_ACCOUNT_QUOTA" >/dev/null

          had=$(occ config:app:get frama applications)
          has=" $had "
          for app in calendar contacts deck forms polls groupfolders user_migration groupquota group_everyone; do
            case "$has" in *" $app "*) continue ;; esac
            if occ app:enable "$app"; then
              has="$has$app "
            else
              echo "frama: $app could not be installed; the next start tries again"
            fi
          done
          has=$(echo $has) # without the spaces at both ends
          [ "$has" = "$had" ] || occ config:app:set frama applications --value="$has" >/dev/null

          quota=$(occ config:app:get frama quota)
          occ groupquota:set everyone "$${quota:-$FRAMA_QUOTA}" ||
            echo "frama: no quota for the association as a whole until groupquota and group_everyone are there"
          exit 0
        EOT
      }

      # The limit of the association as a whole, when it changes.
      template {
        destination = "local/quota.sh"
        perms       = "0444"
        data        = <<-EOT
          set -eu
          occ() { php /var/www/html/occ --no-interaction "$@"; }

          occ config:app:set frama quota --value="$1"
          occ groupquota:set everyone "$1"
        EOT
      }

      # Each of Apache's processes may take some 60 MiB: no more of them than fit.
      template {
        destination = "local/apache.conf"
        perms       = "0444"
        data        = <<-EOT
          <IfModule mpm_prefork_module>
            StartServers 2
            MinSpareServers 2
            MaxSpareServers 4
            MaxRequestWorkers ${max(5, min(150, floor(local.memory_max / 64)))}
            MaxConnectionsPerChild 1000
          </IfModule>
        EOT
      }

      resources {
        cpu        = var.cpu - local.cron_cpu - local.redis_cpu
        memory     = var.memory - local.cron_memory - local.redis_memory
        memory_max = local.memory_max
      }

      kill_timeout = "60s"
    }

    task "cron" {
      driver = "docker"

      config {
        image      = "docker.io/library/nextcloud:33.0.7-apache"
        init       = true
        entrypoint = ["/bin/sh", "-c"]

        # Not before the app has copied this version's code and left its installation or migration.
        args = [<<-EOT
          cd /var/www/html
          until cmp -s /usr/src/nextcloud/version.php version.php; do sleep 5; done
          flock nextcloud-init-sync.lock true
          exec /cron.sh
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/www/html"
      }

      # Settings that the image reads from the environment each time PHP runs.
      env {
        OVERWRITEHOST     = trimprefix(var.url, "https://")
        OVERWRITEPROTOCOL = "https"
        OVERWRITECLIURL   = var.url
        REDIS_HOST        = "/alloc/data/redis.sock"
        PHP_MEMORY_LIMIT  = "512M"
      }

      template {
        destination = "secrets/nextcloud.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          SMTP_HOST={{ .smtp_host.Value | toJSON }}
          SMTP_PORT={{ .smtp_port.Value | toJSON }}
          SMTP_SECURE="{{ if eq .smtp_port.Value "465" }}ssl{{ end }}"
          SMTP_NAME={{ .smtp_user.Value | toJSON }}
          SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
          {{- $from := .smtp_from.Value | split "@" }}
          MAIL_FROM_ADDRESS={{ index $from 0 | toJSON }}
          MAIL_DOMAIN={{ index $from 1 | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = local.cron_cpu
        memory     = local.cron_memory
        memory_max = local.cron_memory_max
      }

      kill_timeout = "60s"
    }
  }
}
