# Loomio in production: the upstream image in three tasks (pages, background jobs, collaborative editing), a disposable
# cache, and nginx, which puts pages and collaborative editing under one host name; upstream uses two.
#
# Loomio's flags are on if set, whatever their value: those that are off are not listed.
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
  default = 500
}

variable "memory" {
  type    = number # MiB
  default = 1280
}

variable "memory_max" {
  type    = number # MiB
  default = 2560
}

# The reservation is for all tasks together.
locals {
  small_cpu             = floor(var.cpu / 12)
  small_memory          = floor(var.memory / 24)
  small_memory_max      = floor(var.memory_max / 24)
  hocuspocus_cpu        = floor(var.cpu / 10)
  hocuspocus_memory     = floor(var.memory / 10)
  hocuspocus_memory_max = floor(var.memory_max / 10)
  worker_cpu            = floor(var.cpu / 4)
  worker_memory         = floor(var.memory / 3)
  worker_memory_max     = floor(var.memory_max / 3)
  app_cpu               = var.cpu - 2 * local.small_cpu - local.hocuspocus_cpu - local.worker_cpu
  app_memory            = var.memory - 2 * local.small_memory - local.hocuspocus_memory - local.worker_memory
  app_memory_max        = var.memory_max - 2 * local.small_memory_max - local.hocuspocus_memory_max - local.worker_memory_max

  # Shared by app and worker.
  settings = <<-EOT
    {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
    {{ $login := printf "%s:%s" (.db_user.Value | urlquery) (.db_password.Value | urlquery) -}}
    {{ $server := printf "%s:%s/%s" .db_host.Value .db_port.Value (.db_name.Value | urlquery) -}}
    DATABASE_URL="postgresql://{{ $login }}@{{ $server }}"
    PGSSLMODE={{ .db_sslmode.Value | toJSON }}
    PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
    DEVISE_SECRET={{ .devise_secret.Value | toJSON }}
    SECRET_COOKIE_TOKEN={{ .cookie_token.Value | toJSON }}
    SITE_NAME={{ .title.Value | toJSON }}
    SUPPORT_EMAIL={{ .admin_email.Value | toJSON }}
    NOTIFICATIONS_EMAIL_ADDRESS={{ .smtp_from.Value | toJSON }}
    SMTP_SERVER={{ .smtp_host.Value | toJSON }}
    SMTP_PORT={{ .smtp_port.Value | toJSON }}
    {{ if .smtp_user.Value -}}
    SMTP_AUTH=plain
    SMTP_USERNAME={{ .smtp_user.Value | toJSON }}
    SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
    {{ end -}}
    {{ if eq .smtp_port.Value "465" -}}
    SMTP_USE_SSL=1
    {{ end -}}
    ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
    ADMIN_LOCALE={{ .language.Value | toJSON }}
    API_KEY={{ .api_key.Value | toJSON }}
    {{ end -}}
  EOT
}

job "loomio" {
  id   = "${var.job_id}"
  type = "service"

  # The first start creates the database, which takes longer than Nomad's default deadline.
  update {
    healthy_deadline  = "20m"
    progress_deadline = "25m"
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
        path     = "/"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "app" {
      driver = "docker"

      config {
        image   = "docker.io/loomio/loomio:3.9.0"
        command = "bash"
        args    = ["-c", "bundle exec rake db:prepare && exec /loomio/docker_start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/loomio/storage"
      }

      env {
        RAILS_ENV                    = "production"
        CANONICAL_HOST               = var.host
        PUBLIC_APP_URL               = var.url
        PRIVATE_APP_URL              = "http://127.0.0.1:3000"
        HOCUSPOCUS_URL               = "wss://${var.host}/hocuspocus"
        REDIS_CACHE_URL              = "redis://127.0.0.1:6379/0"
        ACTIVE_STORAGE_SERVICE       = "local"
        ASSUME_SSL                   = "1" # TLS ends at the ingress
        SMTP_DOMAIN                  = var.host
        USE_RACK_ATTACK              = "1"
        FEATURES_DISABLE_CREATE_USER = "1" # by invitation only
        FEATURES_DISABLE_HELP_LINK   = "1"
        WEB_CONCURRENCY              = "1"
        MIN_THREADS                  = "3"
        MAX_THREADS                  = "5"
        MALLOC_ARENA_MAX             = "2"
      }

      # Creates the first account. Safe to repeat.
      template {
        destination = "local/admin.rb"
        data        = <<-EOT
          user = User.find_or_initialize_by(email: ENV.fetch("SUPPORT_EMAIL"))
          unless user.persisted? && user.is_admin
            user.assign_attributes(
              name: ENV.fetch("SITE_NAME"), password: ENV.fetch("ADMIN_PASSWORD"), email_verified: true,
              is_admin: true, selected_locale: ENV.fetch("ADMIN_LOCALE")
            )
            user.save!
          end
          user.update_columns(api_key: ENV.fetch("API_KEY"))
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
        destination = "secrets/loomio.env"
        env         = true
        data        = local.settings
      }

      resources {
        cpu        = local.app_cpu
        memory     = local.app_memory
        memory_max = local.app_memory_max
      }

      kill_timeout = "30s"
    }

    task "worker" {
      driver = "docker"

      config {
        image   = "docker.io/loomio/loomio:3.9.0"
        command = "bash"
        # Wait until app has migrated the database.
        args = ["-c", "until curl -fsS -o /dev/null http://127.0.0.1:3000/; do sleep 5; done; exec /loomio/docker_start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/loomio/storage"
      }

      env {
        TASK                   = "worker"
        RAILS_ENV              = "production"
        CANONICAL_HOST         = var.host
        PUBLIC_APP_URL         = var.url
        HOCUSPOCUS_URL         = "wss://${var.host}/hocuspocus"
        REDIS_CACHE_URL        = "redis://127.0.0.1:6379/0"
        ACTIVE_STORAGE_SERVICE = "local"
        ASSUME_SSL             = "1"
        SMTP_DOMAIN            = var.host
        MALLOC_ARENA_MAX       = "2"
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
        destination = "secrets/loomio.env"
        env         = true
        data        = local.settings
      }

      resources {
        cpu        = local.worker_cpu
        memory     = local.worker_memory
        memory_max = local.worker_memory_max
      }

      kill_timeout = "30s"
    }

    # Asks app for permissions; stores no data. It listens on port 80 of this network only.
    task "hocuspocus" {
      driver = "docker"

      config {
        image = "docker.io/loomio/loomio:3.9.0"
      }

      env {
        TASK            = "hocuspocus"
        RAILS_ENV       = "production"
        PRIVATE_APP_URL = "http://127.0.0.1:3000"
        PUBLIC_APP_URL  = var.url
      }

      resources {
        cpu        = local.hocuspocus_cpu
        memory     = local.hocuspocus_memory
        memory_max = local.hocuspocus_memory_max
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
        image = "docker.io/valkey/valkey:8.1.10-alpine"
        args = [
          "valkey-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp",
          "--maxmemory", "${floor(local.small_memory * 3 / 4)}mb", "--maxmemory-policy", "allkeys-lru",
        ]
        readonly_rootfs = true
      }

      resources {
        cpu        = local.small_cpu
        memory     = local.small_memory
        memory_max = local.small_memory_max
      }

      kill_timeout = "10s"
    }

    task "proxy" {
      driver = "docker"

      config {
        image   = "docker.io/library/nginx:1.30.5-alpine"
        ports   = ["http"]
        command = "sh"
        args    = ["-c", "cp /local/loomio.conf /etc/nginx/conf.d/default.conf && exec nginx -g 'daemon off;'"]
      }

      template {
        destination = "local/loomio.conf"
        data        = <<-EOT
          map $http_upgrade $connection_upgrade {
            default upgrade;
            ''      close;
          }

          server {
            listen 8080;
            set_real_ip_from ${join("; set_real_ip_from ", split(" ", var.ingress))};
            real_ip_header X-Forwarded-For;
            client_max_body_size 100m;

            proxy_http_version 1.1;
            proxy_set_header Host ${var.host};
            proxy_set_header X-Forwarded-For $remote_addr; # the visitor's, where the ingress says it
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 1h;

            location /hocuspocus {
              proxy_pass http://127.0.0.1:80;
            }

            location / {
              proxy_pass http://127.0.0.1:3000;
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
  }
}
