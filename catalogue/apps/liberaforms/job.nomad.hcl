# LiberaForms in production: an image that the host builds (see Containerfile), a PostgreSQL database, uploads on the
# volume. nginx in front serves uploaded images, which LiberaForms does not. A task before both creates or migrates the
# database and writes the mail server into it, where LiberaForms reads it.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20006 -var ingress=… -var volume=… \
#     -var registry=registry.example.org job.nomad.hcl

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

variable "registry" {
  type = string
}

variable "plan" {
  type    = string
  default = "standard"
}

variable "cpu" {
  type    = number # MHz
  default = 300
}

variable "memory" {
  type    = number # MiB
  default = 512
}

variable "memory_max" {
  type    = number # MiB
  default = 1024
}

locals {
  # The reservation is for all tasks together, including the one that ends before the others start.
  web_cpu            = floor(var.cpu / 8)
  web_memory         = floor(var.memory / 8)
  web_memory_max     = floor(var.memory_max / 8)
  migrate_cpu        = floor(var.cpu / 4)
  migrate_memory     = floor(var.memory / 3)
  migrate_memory_max = floor(var.memory_max / 4)

  # For all uploads together, and per account.
  uploads = lookup({ starter = "900 MB", standard = "4.5 GB", large = "18 GB" }, var.plan, "900 MB")
  account = lookup({ starter = "100 MB", standard = "250 MB", large = "500 MB" }, var.plan, "100 MB")

  # Shared by both tasks of LiberaForms.
  environment = <<-EOT
    {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
    ROOT_USER={{ .email.Value | toJSON }}
    DEFAULT_LANGUAGE={{ .language.Value | toJSON }}
    SECRET_KEY={{ .secret_key.Value | toJSON }}
    CRYPTO_KEY={{ .crypto_key.Value | replaceAll "+" "-" | replaceAll "/" "_" | toJSON }}
    DB_HOST={{ .db_host.Value | toJSON }}
    DB_PORT={{ .db_port.Value | toJSON }}
    DB_NAME={{ .db_name.Value | toJSON }}
    DB_USER={{ .db_user.Value | toJSON }}
    DB_PASSWORD={{ .db_password.Value | toJSON }}
    PGSSLMODE={{ .db_sslmode.Value | toJSON }}
    PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
    SMTP_HOST={{ .smtp_host.Value | toJSON }}
    SMTP_PORT={{ .smtp_port.Value | toJSON }}
    SMTP_USER={{ .smtp_user.Value | toJSON }}
    SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
    SMTP_FROM={{ .smtp_from.Value | toJSON }}
    {{ end -}}
  EOT
}

job "liberaforms" {
  id   = "${var.job_id}"
  type = "service"

  # Database migrations can take a while.
  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

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
        path     = "/"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "migrate" {
      driver = "docker"
      user   = "1000:1000"

      lifecycle {
        hook = "prestart"
      }

      config {
        image   = "${var.registry}/liberaforms:4.10.0"
        command = "/bin/sh"
        args    = ["/local/migrate.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/app/uploads"
      }

      env {
        BASE_URL                   = var.url
        FLASK_CONFIG               = "production"
        TMP_DIR                    = "/tmp"
        LOG_DIR                    = "/tmp"
        LOG_TYPE                   = "stream"
        LOG_LEVEL                  = "INFO"
        UPLOADS_DIR                = "/app/uploads"
        SESSION_TYPE               = "filesystem"
        TOKEN_EXPIRATION           = "604800"
        DEFAULT_TIMEZONE           = "Europe/Paris"
        ENABLE_UPLOADS             = "True"
        ENABLE_REMOTE_STORAGE      = "False"
        TOTAL_UPLOADS_LIMIT        = local.uploads
        DEFAULT_USER_UPLOADS_LIMIT = local.account
        MAX_MEDIA_SIZE             = "2097152"
        MAX_ATTACHMENT_SIZE        = "10485760"
        ENABLE_PROMETHEUS_METRICS  = "False"
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      template {
        destination = "secrets/liberaforms.env"
        env         = true
        data        = local.environment
      }

      # A new database is created with the current tables; upstream's migrations start from an older version.
      template {
        destination = "local/migrate.sh"
        perms       = "0444"
        data        = <<-EOT
          set -eu
          cd /app
          if flask db current 2>/dev/null | grep -Eq '^[0-9a-f]{8,}'; then
            flask db upgrade
          else
            flask database create-tables
            flask db stamp head
          fi
          exec python3 /local/smtp.py
        EOT
      }

      # Like flask smtp set, but the password does not show in the process list.
      template {
        destination = "local/smtp.py"
        perms       = "0444"
        data        = <<-EOT
          import os
          import sys

          sys.path.insert(0, "/app")
          from wsgi import app

          env = os.environ
          words = ["smtp", "set", "-host=" + env["SMTP_HOST"], "-port=" + env["SMTP_PORT"], "-noreply=" + env["SMTP_FROM"],
                   "-user=" + env["SMTP_USER"], "-password=" + env["SMTP_PASSWORD"]]
          encryption = {"465": "SSL", "587": "STARTTLS"}.get(env["SMTP_PORT"])
          if encryption:
              words.append("-encryption=" + encryption)
          result = app.test_cli_runner().invoke(args=words)
          if result.exit_code != 0:
              sys.exit("flask smtp set failed: " + repr(result.exception))
        EOT
      }

      resources {
        cpu        = local.migrate_cpu
        memory     = local.migrate_memory
        memory_max = local.migrate_memory_max
      }
    }

    # On a socket inside this allocation.
    task "app" {
      driver = "docker"
      user   = "1000:1000"

      config {
        image   = "${var.registry}/liberaforms:4.10.0"
        command = "gunicorn"
        args = [
          "--bind", "unix:/alloc/data/liberaforms.sock",
          "--workers", "3",
          "--worker-tmp-dir", "/dev/shm",
          "--access-logfile", "/dev/null", # IP addresses of visitors
          "wsgi:app",
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/app/uploads"
      }

      env {
        BASE_URL                   = var.url
        FLASK_CONFIG               = "production"
        TMP_DIR                    = "/tmp"
        LOG_DIR                    = "/tmp"
        LOG_TYPE                   = "stream"
        LOG_LEVEL                  = "WARNING"
        UPLOADS_DIR                = "/app/uploads"
        SESSION_TYPE               = "filesystem" # lost on restart: people sign in again
        TOKEN_EXPIRATION           = "604800"     # seconds; for invitations and password resets
        DEFAULT_TIMEZONE           = "Europe/Paris"
        E2EE_MODE                  = "AVAILABLE"
        ENABLE_UPLOADS             = "True"
        ENABLE_REMOTE_STORAGE      = "False"
        TOTAL_UPLOADS_LIMIT        = local.uploads
        DEFAULT_USER_UPLOADS_LIMIT = local.account
        MAX_MEDIA_SIZE             = "2097152"  # bytes
        MAX_ATTACHMENT_SIZE        = "10485760" # bytes
        ENABLE_RSS_FEED            = "False"
        ENABLE_PROMETHEUS_METRICS  = "False" # else the page is public
        ENABLE_LDAP                = "False"
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      template {
        destination = "secrets/liberaforms.env"
        env         = true
        data        = local.environment
      }

      resources {
        cpu        = var.cpu - local.web_cpu - local.migrate_cpu
        memory     = var.memory - local.web_memory - local.migrate_memory
        memory_max = var.memory_max - local.web_memory_max - local.migrate_memory_max
      }

      kill_timeout = "30s"
    }

    task "web" {
      driver = "docker"
      user   = "1000:1000"

      config {
        image           = "docker.io/library/nginx:1.30.5-alpine"
        ports           = ["http"]
        readonly_rootfs = true
        command         = "nginx"
        args            = ["-e", "stderr", "-c", "/local/nginx.conf", "-g", "daemon off;"]

        mount {
          type   = "tmpfs"
          target = "/tmp"
          tmpfs_options {
            size = 67108864 # bytes; larger than an upload
          }
        }
      }

      volume_mount {
        volume      = "data"
        destination = "/uploads"
        read_only   = true
      }

      template {
        destination = "local/nginx.conf"
        perms       = "0444"
        data        = <<-EOT
          worker_processes 1;
          pid /tmp/nginx.pid;
          error_log stderr warn;
          events { worker_connections 512; }
          http {
            include /etc/nginx/mime.types;
            access_log off;
            server_tokens off;
            client_max_body_size 12m;
            client_body_temp_path /tmp/body;
            proxy_temp_path /tmp/proxy;
            fastcgi_temp_path /tmp/fastcgi;
            uwsgi_temp_path /tmp/uwsgi;
            scgi_temp_path /tmp/scgi;
            # The ingress says what people asked for; by hand there is none.
            map $http_x_forwarded_proto $frama_proto { default $http_x_forwarded_proto; "" $scheme; }
            server {
              listen 8080;
              set_real_ip_from ${join("; set_real_ip_from ", split(" ", var.ingress))};
              real_ip_header X-Forwarded-For;
              location /file/media/ { alias /uploads/media/; add_header X-Content-Type-Options nosniff; }
              location = /favicon.ico { alias /uploads/media/brand/favicon.ico; }
              location = /logo.png { alias /uploads/media/brand/logo.png; }
              location /metrics { return 404; }
              location / {
                proxy_pass http://unix:/alloc/data/liberaforms.sock;
                proxy_set_header Host $http_host;
                proxy_set_header X-Forwarded-For $remote_addr;
                proxy_set_header X-Forwarded-Proto $frama_proto;
                proxy_set_header X-Real-IP $remote_addr;
              }
            }
          }
        EOT
      }

      resources {
        cpu        = local.web_cpu
        memory     = local.web_memory
        memory_max = local.web_memory_max
      }

      kill_timeout = "10s"
    }
  }
}
