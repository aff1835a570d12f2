# Piwigo in production: the upstream image (nginx and PHP), its albums in a MariaDB database, code and photos on the
# volume.
#
# At each start the image copies newer code to the volume. The installation is a form that frama submits once.
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

job "piwigo" {
  id   = "${var.job_id}"
  type = "service"

  # At each start the image sets the owner of every file, which takes long with many photos.
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
        path     = "/install.php"
        interval = "15s"
        timeout  = "5s"
      }
    }

    task "piwigo" {
      driver = "docker"

      config {
        image      = "docker.io/piwigo/piwigo:16.4.0a"
        ports      = ["http"]
        entrypoint = ["sh", "/local/start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/www/html/piwigo"
      }

      env {
        TZ         = "Europe/Paris"
        PIWIGO_UID = "1000"
        PIWIGO_GID = "1000"
      }

      # The image copies its code to the volume unless include/constants.php there says that it is done, so an
      # interrupted copy starts again. user.sh is the image's own hook, run as root after the copy and before anything
      # serves.
      template {
        destination = "local/start.sh"
        data        = <<-EOT
          set -eu
          unfinished=/var/www/html/piwigo/.unfinished
          if [ -e "$unfinished" ]; then
            rm -f /var/www/html/piwigo/include/constants.php
          fi
          touch "$unfinished"
          mkdir -p /usr/local/bin/scripts
          cp /local/user.sh /usr/local/bin/scripts/user.sh
          exec /init
        EOT
      }

      # Settings of the host are written to the volume at each start, since addresses and passwords can change. Those
      # for the database are written only after the installation created them.
      template {
        destination = "local/user.sh"
        perms       = "0755"
        data        = <<-EOT
          #!/bin/sh
          set -eu
          cd /var/www/html/piwigo/local/config
          put() {
            install -o nginx -g nginx -m 0400 "/secrets/$1" "$1"
          }
          put config.inc.php
          if [ -s database.inc.php ]; then
            put database.inc.php
          fi
          rm -f ../../.unfinished
        EOT
      }

      # Base64, so that PHP interprets no character of a password or name.
      template {
        destination = "secrets/config.inc.php"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          <?php
          $conf['mail_sender_name'] = base64_decode('{{ .title.Value | base64Encode }}');
          $conf['mail_sender_email'] = base64_decode('{{ .smtp_from.Value | base64Encode }}');
          $conf['smtp_host'] = base64_decode('{{ .smtp_host.Value | base64Encode }}') . ':{{ .smtp_port.Value }}';
          $conf['smtp_user'] = base64_decode('{{ .smtp_user.Value | base64Encode }}');
          $conf['smtp_password'] = base64_decode('{{ .smtp_password.Value | base64Encode }}');
          $conf['smtp_secure'] = {{ if eq .smtp_port.Value "465" }}'ssl'{{ else }}null{{ end }};
          // frama decides about versions, and nothing is told to third parties.
          $conf['enable_core_update'] = false;
          $conf['dashboard_check_for_updates'] = false;
          $conf['update_notify_check_period'] = 0;
          $conf['send_piwigo_infos'] = false;
          $conf['show_piwigo_latest_news'] = false;
          $conf['show_newsletter_subscription'] = false;
          {{ end -}}
        EOT
      }

      template {
        destination = "secrets/database.inc.php"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          <?php
          $conf['dblayer'] = 'mysqli';
          $conf['db_base'] = base64_decode('{{ .db_name.Value | base64Encode }}');
          $conf['db_user'] = base64_decode('{{ .db_user.Value | base64Encode }}');
          $conf['db_password'] = base64_decode('{{ .db_password.Value | base64Encode }}');
          $conf['db_host'] = base64_decode('{{ .db_host.Value | base64Encode }}') . ':{{ .db_port.Value }}';
          $prefixeTable = 'piwigo_';
          define('PHPWG_INSTALLED', true);
          define('PWG_CHARSET', 'utf-8');
          define('DB_CHARSET', 'utf8');
          define('DB_COLLATE', '');
          {{ end -}}
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
