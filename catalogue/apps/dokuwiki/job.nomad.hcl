# DokuWiki in production: upstream's image, with pages, pictures, accounts and settings on the volume.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20000 -var ingress=… -var volume=… job.nomad.hcl

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

variable "ingress" {
  type = string
}

variable "cpu" {
  type    = number # MHz
  default = 200
}

variable "memory" {
  type    = number # MiB
  default = 128
}

variable "memory_max" {
  type    = number # MiB
  default = 512
}

job "dokuwiki" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8080
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
        path     = "/doku.php"
        interval = "15s"
        timeout  = "5s"
      }
    }

    task "dokuwiki" {
      driver = "docker"
      user   = "www-data"

      config {
        image      = "docker.io/dokuwiki/dokuwiki:2025-05-14b"
        ports      = ["http"]
        entrypoint = ["bash", "/local/start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/storage"
      }

      env {
        PHP_UPLOADLIMIT = "64M"
        PHP_MEMORYLIMIT = "128M"
        PHP_TIMEZONE    = "Europe/Paris"
      }

      # Replaces upstream's installer. The host's settings are written at each start; accounts and permissions once,
      # each with an atomic rename.
      template {
        destination = "local/start.sh"
        data        = <<-EOT
          set -eu
          conf=/storage/conf
          mkdir -p "$conf"
          put() { cp "$1" "$conf/.new" && mv "$conf/.new" "$conf/$2"; }
          put /secrets/settings.php local.protected.php
          put /local/plugins.php plugins.protected.php
          [ -e "$conf/acl.auth.php" ] || put /local/rights acl.auth.php
          if [ ! -e "$conf/users.auth.php" ]; then
            php -r 'printf("# <?php exit()?>\nadmin:%s:Administration:%s:admin,user\n", password_hash(getenv("ADMIN_PASSWORD"), PASSWORD_BCRYPT), getenv("ADMIN_EMAIL"));' > "$conf/.accounts"
            mv "$conf/.accounts" "$conf/users.auth.php"
          fi
          /dokuwiki-storagesetup.sh
          exec apache2-foreground -c "Include /local/apache.conf"
        EOT
      }

      # Base64, so that PHP interprets no character of a name.
      template {
        destination = "secrets/settings.php"
        data        = <<-EOT
          <?php
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          $conf['title'] = base64_decode('{{ .title.Value | base64Encode }}');
          $conf['lang'] = base64_decode('{{ .language.Value | base64Encode }}');
          {{ end -}}
          $conf['baseurl'] = '${var.url}';
          $conf['basedir'] = '/';
          $conf['useacl'] = 1;
          $conf['superuser'] = '@admin';
          // Accounts are made by the administration, and there is no mail to send a new password by.
          $conf['disableactions'] = 'register,resendpwd';
          // frama decides about versions, and nothing is asked of third parties.
          $conf['updatecheck'] = 0;
          $conf['fetchsize'] = 0;
        EOT
      }

      template {
        destination = "secrets/dokuwiki.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # Features that contact upstream's servers.
      template {
        destination = "local/plugins.php"
        data        = <<-EOT
          <?php
          $plugins['extension'] = 0;
          $plugins['popularity'] = 0;
          $plugins['upgrade'] = 0;
        EOT
      }

      # Everybody can read; users with an account can write and upload.
      template {
        destination = "local/rights"
        data        = <<-EOT
          # <?php exit()?>
          *  @ALL   1
          *  @user  8
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
