# Roundcube in production: the upstream rootless image, one for all mailboxes of the host. Address books and settings
# are in a PostgreSQL database, so it has no volume.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var ingress=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "port" {
  type = number
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
  default = 192
}

variable "memory_max" {
  type    = number # MiB
  default = 512
}

job "roundcube" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8000
      }
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      # Each request without a cookie leaves a session in the database until it expires: check rarely.
      check {
        type     = "http"
        path     = "/"
        interval = "30s"
        timeout  = "5s"
      }
    }

    task "roundcube" {
      driver = "docker"

      config {
        image      = "docker.io/roundcube/roundcubemail:1.7.1-apache-nonroot"
        ports      = ["http"]
        entrypoint = ["bash", "/local/start.sh"]
      }

      env {
        ROUNDCUBEMAIL_DB_TYPE      = "pgsql"
        ROUNDCUBEMAIL_DEFAULT_PORT = "993"
        ROUNDCUBEMAIL_PLUGINS      = "archive,zipdownload,markasjunk,newmail_notifier"
        ROUNDCUBEMAIL_SKIN         = "elastic"
        PHP_INI_SCAN_DIR           = ":/local" # the image's own, then the job's
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      # Secrets are quoted as JSON, which env files accept. People send with the account of their mailbox, never with
      # the host's.
      template {
        destination = "secrets/roundcube.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          ROUNDCUBEMAIL_DES_KEY={{ .des_key.Value | toJSON }}
          ROUNDCUBEMAIL_DB_HOST={{ .db_host.Value | toJSON }}
          ROUNDCUBEMAIL_DB_PORT={{ .db_port.Value | toJSON }}
          ROUNDCUBEMAIL_DB_NAME={{ .db_name.Value | toJSON }}
          ROUNDCUBEMAIL_DB_USER={{ .db_user.Value | toJSON }}
          ROUNDCUBEMAIL_DB_PASSWORD={{ .db_password.Value | toJSON }}
          PGSSLMODE={{ .db_sslmode.Value | toJSON }}
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          ROUNDCUBEMAIL_DEFAULT_HOST="ssl://{{ .smtp_host.Value }}"
          ROUNDCUBEMAIL_SMTP_SERVER="{{ if eq .smtp_port.Value "465" }}ssl{{ else }}tls{{ end }}://{{ .smtp_host.Value }}"
          ROUNDCUBEMAIL_SMTP_PORT={{ .smtp_port.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # The image creates tables one by one and cannot resume after an interruption: create all in one transaction here.
      template {
        destination = "local/start.sh"
        data        = <<-EOT
          set -eu
          php /local/tables
          cp /local/frama.inc.php /var/roundcube/config/
          exec /docker-entrypoint.sh apache2-foreground -c "Include /local/apache.conf"
        EOT
      }

      template {
        destination = "local/tables"
        data        = <<-EOT
          <?php
          $of = function ($name) { return getenv("ROUNDCUBEMAIL_DB_$name"); };
          $db = new PDO(sprintf("pgsql:host=%s;port=%s;dbname=%s", $of('HOST'), $of('PORT'), $of('NAME')), $of('USER'), $of('PASSWORD'));
          $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
          if (!$db->query("SELECT to_regclass('system')")->fetchColumn()) {
            $db->beginTransaction();
            $db->exec(file_get_contents('/usr/src/roundcubemail/SQL/postgres.initial.sql'));
            $db->commit();
          }
        EOT
      }

      # Read after the settings that the image generates from the environment.
      template {
        destination = "local/frama.inc.php"
        data        = <<-EOT
          <?php
          $config['use_https'] = true;
          $config['proxy_whitelist'] = explode(' ', '${var.ingress}');
          $config['session_samesite'] = 'Lax';
          $config['useragent'] = 'Webmail';
          $config['enable_spellcheck'] = false;
          $config['session_lifetime'] = 60;
          $config['max_message_size'] = '25M';
        EOT
      }

      template {
        destination = "local/frama.ini"
        data        = <<-EOT
          expose_php = Off
          memory_limit = 128M
          post_max_size = 26M
          upload_max_filesize = 25M
        EOT
      }

      # An Apache process takes up to 32 MiB: limit their number to what fits.
      template {
        destination = "local/apache.conf"
        perms       = "0444"
        data        = <<-EOT
          <IfModule remoteip_module>
            RemoteIPHeader X-Forwarded-For
            RemoteIPInternalProxy ${var.ingress}
          </IfModule>
          <IfModule mpm_prefork_module>
            StartServers 2
            MinSpareServers 2
            MaxSpareServers 4
            MaxRequestWorkers ${max(5, floor(var.memory_max / 32))}
            MaxConnectionsPerChild 1000
          </IfModule>
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
