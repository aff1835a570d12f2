# uMap in production: the upstream image, nginx in front of it as upstream requires (static files, and map data after
# uMap's permission check), and a disposable Redis for real-time collaboration.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var ingress=… -var volume=… (and the others without a default) job.nomad.hcl

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
  default = 300
}

variable "memory" {
  type    = number # MiB
  default = 384
}

variable "memory_max" {
  type    = number # MiB
  default = 1024
}

# The reservation is for all tasks together.
locals {
  small_cpu        = floor(var.cpu / 10)
  small_memory     = floor(var.memory / 12)
  small_memory_max = floor(var.memory_max / 12)
  umap_cpu         = var.cpu - 2 * local.small_cpu
  umap_memory      = var.memory - 2 * local.small_memory
  umap_memory_max  = var.memory_max - 2 * local.small_memory_max
}

job "umap" {
  id   = "${var.job_id}"
  type = "service"

  # The first start creates the database, which takes longer than Nomad's default deadline.
  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    # One network for all tasks: they reach each other on 127.0.0.1; only nginx is reachable from outside.
    network {
      mode = "bridge"
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
        path     = "/stats/"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "umap" {
      driver = "docker"

      config {
        image = "docker.io/umap/umap:3.8.1"
      }

      volume_mount {
        volume      = "data"
        destination = "/srv/umap/uploads"
      }

      env {
        UMAP_SETTINGS        = "/secrets/umap.py"
        MEDIA_ROOT           = "/srv/umap/uploads"
        STATIC_ROOT          = "/alloc/data/static" # generated at each start, read by nginx
        SITE_URL             = var.url
        ALLOWED_HOSTS        = "${var.host},127.0.0.1"
        CSRF_TRUSTED_ORIGINS = var.url
        DEBUG                = "0"
        ENABLE_ACCOUNT_LOGIN = "True" # administrators create accounts in /admin/
        UMAP_ALLOW_ANONYMOUS = "True"
        REALTIME_ENABLED     = "True"
        REDIS_URL            = "redis://127.0.0.1:6379"
      }

      # A Python file: JSON strings are valid Python strings.
      template {
        destination = "secrets/umap.py"
        perms       = "0400"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          SITE_NAME = {{ .title.Value | toJSON }}
          LANGUAGE_CODE = {{ .language.Value | toJSON }}
          EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
          EMAIL_HOST = {{ .smtp_host.Value | toJSON }}
          EMAIL_PORT = int({{ .smtp_port.Value | toJSON }})
          EMAIL_USE_SSL = EMAIL_PORT == 465
          EMAIL_USE_TLS = not EMAIL_USE_SSL
          EMAIL_HOST_USER = {{ .smtp_user.Value | toJSON }}
          EMAIL_HOST_PASSWORD = {{ .smtp_password.Value | toJSON }}
          DEFAULT_FROM_EMAIL = {{ .smtp_from.Value | toJSON }}
          SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
          UMAP_XSENDFILE_HEADER = "X-Accel-Redirect"
          {{ end -}}
        EOT
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
        destination = "secrets/umap.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ $login := printf "%s:%s" (.db_user.Value | urlquery) (.db_password.Value | urlquery) -}}
          {{ $server := printf "%s:%s/%s" .db_host.Value .db_port.Value (.db_name.Value | urlquery) -}}
          SECRET_KEY={{ .secret_key.Value | toJSON }}
          DATABASE_URL="postgis://{{ $login }}@{{ $server }}"
          PGSSLMODE={{ .db_sslmode.Value | toJSON }}
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = local.umap_cpu
        memory     = local.umap_memory
        memory_max = local.umap_memory_max
      }

      kill_timeout = "30s"
    }

    task "proxy" {
      driver = "docker"

      config {
        image   = "docker.io/library/nginx:1.30.5-alpine"
        ports   = ["http"]
        command = "sh"
        args    = ["-c", "cp /local/umap.conf /etc/nginx/conf.d/default.conf && exec nginx -g 'daemon off;'"]
      }

      volume_mount {
        volume      = "data"
        destination = "/uploads"
        read_only   = true
      }

      # Upstream's configuration with two changes. Only icons are public among the uploads, since data of private maps
      # is beside them. And nginx does not proxy requests to other sites, which could reach the host's own network.
      template {
        destination = "local/umap.conf"
        data        = <<-EOT
          map $http_upgrade $connection_upgrade {
            default upgrade;
            ''      close;
          }

          server {
            listen 8080;
            set_real_ip_from ${join("; set_real_ip_from ", split(" ", var.ingress))};
            real_ip_header X-Forwarded-For;
            client_max_body_size 25m;

            location /static/ {
              alias /alloc/data/static/;
              types {
                application/javascript mjs;
              }
              include /etc/nginx/mime.types;
              gzip on;
              gzip_types application/javascript text/javascript text/css image/svg+xml;
              expires 30d;
            }

            location /uploads/pictogram/ {
              alias /uploads/pictogram/;
              expires 30d;
            }

            location /internal/ {
              internal;
              alias /uploads/;
              gzip_vary on;
              gzip_static on;
              add_header X-DataLayer-Version $upstream_http_x_datalayer_version;
            }

            location / {
              proxy_pass http://127.0.0.1:8000;
              proxy_http_version 1.1;
              proxy_set_header Host ${var.host};
              proxy_set_header X-Forwarded-For $remote_addr; # the visitor's, where the ingress says it
              proxy_set_header X-Forwarded-Proto https;
              proxy_set_header Upgrade $http_upgrade;
              proxy_set_header Connection $connection_upgrade;
              proxy_buffering off;
            }
          }
        EOT
      }

      resources {
        cpu        = local.small_cpu
        memory     = local.small_memory
        memory_max = local.small_memory_max
      }

      kill_timeout = "15s"
    }

    task "redis" {
      driver = "docker"
      user   = "999:1000"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image           = "docker.io/valkey/valkey:8.1.10-alpine"
        args            = ["valkey-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]
        readonly_rootfs = true
      }

      resources {
        cpu        = local.small_cpu
        memory     = local.small_memory
        memory_max = local.small_memory_max
      }

      kill_timeout = "10s"
    }
  }
}
