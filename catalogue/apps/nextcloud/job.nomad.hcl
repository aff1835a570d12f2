# Nextcloud in production: the community's image with Apache, its background jobs in a second task, a PostgreSQL
# database, and a private cache.
#
# Code, settings and files are one volume: the image copies its code there at each upgrade. The first start installs
# (one to five minutes), and the start after an upgrade migrates: frama's update block first stops the old version.
#
# A start can be killed at any moment, and the image takes an interrupted installation or migration for a finished one.
# Marker files in the data folder (.frama-installing, .frama-setting-up, .frama-upgrading) tell the next start what is
# unfinished. Apache listens only after they are gone.
#
# Office uses a shared Collabora: the host adds the application richdocuments and its address later.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var host=… -var url=https://… -var port=20002 -var volume=… -var ingress=… job.nomad.hcl

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
  type = string # addresses of the ingress nodes, separated by spaces: only these are trusted about client addresses
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
  # The reservation is for the three tasks together.
  cron_cpu         = floor(var.cpu / 5)
  cron_memory      = floor(var.memory / 6)
  cron_memory_max  = floor(var.memory_max / 4)
  redis_cpu        = floor(var.cpu / 10)
  redis_memory     = floor(var.memory / 12)
  redis_memory_max = floor(var.memory_max / 16)
  memory_max       = var.memory_max - local.cron_memory_max - local.redis_memory_max

  # An Apache process takes up to 60 MiB: limit their number to what fits.
  apache_workers = max(5, min(150, floor(local.memory_max / 64)))

  # Limit for the files of all accounts together, until frama sets the space's own limit: the volume minus the
  # manifest's reserve.
  quotas = { starter = "2560 MB", standard = "30 GB", large = "158 GB" }
  quota  = lookup(local.quotas, var.plan, "2560 MB")

  # Default limit of an account. Their sum exceeds the quota above, since few accounts use it up.
  account_quotas = { starter = "1 GB", standard = "5 GB", large = "10 GB" }
  account_quota  = lookup(local.account_quotas, var.plan, "1 GB")
}

job "nextcloud" {
  id   = "${var.job_id}"
  type = "service"

  # An upgrade with many files takes minutes, and must not be interrupted.
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

    # Sessions, file locks and cached pages, on a socket inside this allocation; all of it is disposable.
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
        image      = "docker.io/library/nextcloud:33.0.7-apache"
        ports      = ["http"]
        entrypoint = ["/bin/sh", "-c"]

        # Written here and not to a file that PHP could change, since this part runs as root.
        args = [<<-EOT
          set -eu
          ln -sf /local/before-starting.sh /docker-entrypoint-hooks.d/before-starting/frama.sh
          cat >/etc/apache2/conf-enabled/zz-frama.conf <<APACHE
          <IfModule mpm_prefork_module>
            StartServers 2
            MinSpareServers 2
            MaxSpareServers 4
            MaxRequestWorkers ${local.apache_workers}
            MaxConnectionsPerChild 1000
          </IfModule>
          APACHE
          su -p www-data -s /bin/sh -c /local/unfinished.sh
          exec /entrypoint.sh apache2-foreground
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/www/html"
      }

      env {
        NEXTCLOUD_ADMIN_USER      = "admin"
        NEXTCLOUD_TRUSTED_DOMAINS = var.host
        OVERWRITEHOST             = trimprefix(var.url, "https://") # with its port, if any
        OVERWRITEPROTOCOL         = "https"
        OVERWRITECLIURL           = var.url
        TRUSTED_PROXIES           = var.ingress
        APACHE_DISABLE_REWRITE_IP = "1" # in the format of TRUSTED_PROXIES
        REDIS_HOST                = "/alloc/data/redis.sock"
        PHP_MEMORY_LIMIT          = "512M"
        PHP_UPLOAD_LIMIT          = "1G"
        APACHE_BODY_LIMIT         = "1073741824" # bytes; clients send larger files in pieces
        HOME                      = "/var/www"   # libpq looks for certificates there, and disables TLS if it cannot read it
      }

      # User input and secrets are quoted as JSON, which env files accept.
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
          PGSSLMODE={{ .db_sslmode.Value | toJSON }}
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
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

      template {
        destination = "secrets/db-ca.pem"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      # Settings that frama controls, overwritten at each start. All others are the association's, in its settings
      # pages.
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
              "files": { "default_quota": "${local.account_quota}" },
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

      # Runs as www-data, before the image checks its volume: an unfinished installation starts again, in an empty
      # database. A database in use is never touched, whatever is missing on the volume.
      template {
        destination = "local/unfinished.sh"
        perms       = "0755"
        data        = <<-EOT
          #!/bin/sh
          set -eu
          cd /var/www/html
          mkdir -p data

          if [ -e version.php ] && [ ! -e data/.frama-installing ]; then
            # A migration that is cut short leaves maintenance on. Who closed Nextcloud on purpose opens it again.
            cmp -s /usr/src/nextcloud/version.php version.php || grep -q "'maintenance' => true" config/config.php ||
              : >data/.frama-upgrading
            exit 0
          fi

          php -r '
            [$host, $port] = explode(":", getenv("POSTGRES_HOST"));
            $db = new PDO("pgsql:host=$host;port=$port;dbname=" . getenv("POSTGRES_DB"), getenv("POSTGRES_USER"), getenv("POSTGRES_PASSWORD"));
            $ask = function ($sql, ...$values) use ($db) {
              $query = $db->prepare($sql);
              $query->execute($values);
              return $query->fetchAll(PDO::FETCH_COLUMN);
            };
            $tables = $ask("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND starts_with(tablename, ?)", "oc_");
            if (in_array("oc_appconfig", $tables) && $ask("SELECT 1 FROM oc_appconfig WHERE appid = ? AND configkey = ?", "frama", "set_up")) {
              fwrite(STDERR, "frama: the database is of a Nextcloud in use, the volume is not: restore both from the same moment\n");
              exit(1);
            }
            if ($tables) {
              $db->exec("DROP TABLE " . implode(", ", $tables) . " CASCADE");
            }
          '
          : >data/.frama-installing
          rm -rf version.php config data/appdata_*
        EOT
      }

      # Runs at each start, as www-data, after the image has installed or migrated. Every step can be repeated.
      template {
        destination = "local/before-starting.sh"
        perms       = "0755"
        data        = <<-EOT
          #!/bin/sh
          set -u
          cd /var/www/html
          occ() { php occ --no-interaction "$@"; }
          failed() { echo "frama: $1; the next start tries again"; exit 1; }
          status() { occ status --output=json | grep -q "\"$1\":true"; }

          if [ -e data/.frama-installing ]; then
            status installed && occ user:info admin >/dev/null || failed "the installation did not end"
            mv data/.frama-installing data/.frama-setting-up
          fi

          # The image keeps its own settings files as they were at installation; newer ones may know more.
          for file in /usr/src/nextcloud/config/*.config.php; do
            cmp -s "$file" "config/$${file##*/}" || cp "$file" config/
          done

          if [ -e data/.frama-upgrading ]; then
            occ maintenance:mode --off >/dev/null
            ! status needsDbUpgrade || occ upgrade || failed "the migration did not end"
            occ app:update --all || echo "frama: some applications could not be updated; the next upgrade tries again"
            occ db:add-missing-indices && occ db:add-missing-columns && occ db:add-missing-primary-keys &&
              rm data/.frama-upgrading || failed "indices or columns are missing"
          fi

          # In maintenance most commands are missing, and whoever closed Nextcloud opens it again.
          ! status maintenance || exit 0

          occ config:import /local/frama.json || echo "frama: not all settings were taken over"
          [ -e data/.frama-setting-up ] || exit 0

          # Once. News and surveys are of others, frama decides about versions, and external applications would want a
          # daemon that starts containers.
          occ app:disable survey_client nextcloud_announcements updatenotification app_api
          occ config:import /local/theming.json
          occ user:setting admin settings email "$FRAMA_EMAIL" || failed "the administrator has no address"
          # An account with little room and no rights, with which frama sees that files can be stored and read.
          occ user:info frama >/dev/null 2>&1 || occ user:add --password-from-env --display-name=frama frama ||
            failed "frama has no account for its checks"
          occ user:setting frama files quota "10 MB"
          occ db:add-missing-indices
          occ maintenance:repair --include-expensive >/dev/null # types of files, which a fresh one lacks
          occ config:app:set frama set_up --value=1 >/dev/null || failed "the settings did not end"
          rm data/.frama-setting-up
        EOT
      }

      # Applies the space's limit when it changes.
      template {
        destination = "local/quota.sh"
        perms       = "0444"
        data        = <<-EOT
          set -eu
          cd /var/www/html
          occ() { php occ --no-interaction "$@"; }

          occ config:app:set frama quota --value="$1"
          occ groupquota:set everyone "$1"
        EOT
      }

      resources {
        cpu        = var.cpu - local.cron_cpu - local.redis_cpu
        memory     = var.memory - local.cron_memory - local.redis_memory
        memory_max = local.memory_max
      }

      kill_timeout = "60s"
    }

    # Background jobs, and the installation of store applications, which blocks nobody.
    task "cron" {
      driver = "docker"
      user   = "33:33"

      config {
        image           = "docker.io/library/nextcloud:33.0.7-apache"
        init            = true
        readonly_rootfs = true
        entrypoint      = ["/bin/sh", "-c"]

        # Starts only after app has finished its installation or migration. A running job finishes before the task
        # stops.
        args = [<<-EOT
          cd /var/www/html
          trap 'stopping=1; kill $nap 2>/dev/null' TERM
          nap() { sleep "$1" & nap=$!; wait $nap; }

          until [ -n "$stopping" ] || { cmp -s /usr/src/nextcloud/version.php version.php && ! ls data/.frama-* >/dev/null 2>&1; }; do
            nap 5
          done
          turn=0
          until [ -n "$stopping" ]; do
            php -f cron.php
            [ $((turn % 12)) -ne 0 ] || /local/applications.sh
            turn=$((turn + 1))
            nap 300
          done
          exit 0
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/www/html"
      }

      # Settings that the image reads from the environment whenever PHP runs.
      env {
        OVERWRITEHOST     = trimprefix(var.url, "https://")
        OVERWRITEPROTOCOL = "https"
        OVERWRITECLIURL   = var.url
        REDIS_HOST        = "/alloc/data/redis.sock"
        PHP_MEMORY_LIMIT  = "512M"
        HOME              = "/var/www"
        TMPDIR            = "/alloc/tmp"
        FRAMA_QUOTA       = local.quota
      }

      template {
        destination = "secrets/nextcloud.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          PGSSLMODE={{ .db_sslmode.Value | toJSON }}
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
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

      template {
        destination = "secrets/db-ca.pem"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      # A failed download is retried; an application that an administrator removed stays removed.
      template {
        destination = "local/applications.sh"
        perms       = "0755"
        data        = <<-EOT
          #!/bin/sh
          set -u
          cd /var/www/html
          occ() { php occ --no-interaction "$@"; }
          wanted="calendar contacts deck forms polls groupfolders user_migration groupquota group_everyone"

          had=$(occ config:app:get frama applications)
          has=" $had "
          for app in $wanted; do
            case "$has" in *" $app "*) continue ;; esac
            if occ app:enable "$app"; then
              has="$has$app "
            else
              echo "frama: $app could not be installed; tried again in an hour"
            fi
          done
          has=$(echo $has) # without the spaces at both ends
          [ "$has" != "$had" ] || exit 0

          quota=$(occ config:app:get frama quota)
          occ groupquota:set everyone "$${quota:-$FRAMA_QUOTA}" ||
            echo "frama: no quota for the association as a whole until groupquota and group_everyone are there"
          occ config:app:set frama applications --value="$has" >/dev/null
        EOT
      }

      resources {
        cpu        = local.cron_cpu
        memory     = local.cron_memory
        memory_max = local.cron_memory_max
      }

      # The image's own stop signal is Apache's.
      kill_signal  = "SIGTERM"
      kill_timeout = "60s"
    }
  }
}
