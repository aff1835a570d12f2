# Mastodon in production: web, sidekiq (background jobs) and streaming (live updates) of the upstream images, nginx,
# which puts both under one host name and serves media, and a persistent Redis.
#
# The Web Push key pair cannot be generated like a password: web creates it once on the volume, which is backed up. The
# volume is at /data and not in the public folder, so that only /data/system is public.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var ingress=… -var volume=… (and the others without a default) job.nomad.hcl

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

variable "ingress" {
  type = string
}

variable "cpu" {
  type    = number # MHz
  default = 800
}

variable "memory" {
  type    = number # MiB
  default = 1536
}

variable "memory_max" {
  type    = number # MiB
  default = 3584
}

variable "plan" {
  type    = string
  default = "starter"
}

# The reservation is for all tasks together. Plans that the host added use the middle numbers of processes.
locals {
  processes = lookup({ starter = "1", standard = "2", large = "4" }, var.plan, "2")
  threads   = lookup({ starter = "5", standard = "10", large = "25" }, var.plan, "10") # of sidekiq

  proxy_cpu            = floor(var.cpu / 16)
  proxy_memory         = floor(var.memory / 32)
  proxy_memory_max     = floor(var.memory_max / 32)
  redis_cpu            = floor(var.cpu / 10)
  redis_memory         = floor(var.memory / 12)
  redis_memory_max     = floor(var.memory_max / 10)
  streaming_cpu        = floor(var.cpu / 10)
  streaming_memory     = floor(var.memory / 10)
  streaming_memory_max = floor(var.memory_max / 8)
  sidekiq_cpu          = floor(var.cpu * 3 / 10)
  sidekiq_memory       = floor(var.memory * 3 / 10)
  sidekiq_memory_max   = floor(var.memory_max * 3 / 10)
  web_cpu              = var.cpu - local.proxy_cpu - local.redis_cpu - local.streaming_cpu - local.sidekiq_cpu
  web_memory           = var.memory - local.proxy_memory - local.redis_memory - local.streaming_memory - local.sidekiq_memory
  others_memory_max    = local.proxy_memory_max + local.redis_memory_max + local.streaming_memory_max + local.sidekiq_memory_max
  web_memory_max       = var.memory_max - local.others_memory_max

  # Shared by web, sidekiq and streaming.
  settings = <<-EOT
    {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
    DB_HOST={{ .db_host.Value | toJSON }}
    DB_PORT={{ .db_port.Value | toJSON }}
    DB_NAME={{ .db_name.Value | toJSON }}
    DB_USER={{ .db_user.Value | toJSON }}
    DB_PASS={{ .db_password.Value | toJSON }}
    DB_SSLMODE={{ .db_sslmode.Value | toJSON }}
    PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
    NODE_EXTRA_CA_CERTS="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
    SECRET_KEY_BASE={{ .secret_key_base.Value | toJSON }}
    ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY={{ .encryption_primary_key.Value | toJSON }}
    ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY={{ .encryption_deterministic_key.Value | toJSON }}
    ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT={{ .encryption_salt.Value | toJSON }}
    DEFAULT_LOCALE={{ .language.Value | toJSON }}
    SMTP_SERVER={{ .smtp_host.Value | toJSON }}
    SMTP_PORT={{ .smtp_port.Value | toJSON }}
    SMTP_LOGIN={{ .smtp_user.Value | toJSON }}
    SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
    SMTP_FROM_ADDRESS={{ .smtp_from.Value | toJSON }}
    SMTP_TLS={{ if eq .smtp_port.Value "465" }}true{{ else }}false{{ end }}
    SMTP_ENABLE_STARTTLS={{ if eq .smtp_port.Value "465" }}never{{ else }}always{{ end }}
    SITE_TITLE={{ .title.Value | toJSON }}
    ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
    ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
    API_TOKEN={{ .api_token.Value | toJSON }}
    {{ end -}}
  EOT
}

job "mastodon" {
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
        path     = "/health"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "web" {
      driver = "docker"

      config {
        image   = "ghcr.io/mastodon/mastodon:v4.7.4"
        command = "bash"
        args    = ["/local/start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        LOCAL_DOMAIN        = var.host
        REDIS_HOST          = "127.0.0.1"
        REDIS_PORT          = "6379"
        PAPERCLIP_ROOT_PATH = "/data/system"
        BIND                = "127.0.0.1"
        PORT                = "3000"
        WEB_CONCURRENCY     = local.processes
        MAX_THREADS         = "5"
        MALLOC_ARENA_MAX    = "2"
      }

      template {
        destination = "local/start.sh"
        data        = <<-EOT
          set -eu
          if [ ! -s /data/vapid.env ]; then
            umask 077
            bundle exec rails mastodon:webpush:generate_vapid_key | grep '^VAPID_' > /data/vapid.new
            [ "$(wc -l < /data/vapid.new)" -eq 2 ]
            mv /data/vapid.new /data/vapid.env
            umask 022
          fi
          mkdir -p /data/system
          set -a
          . /data/vapid.env
          set +a
          # Makes the database, or brings it up to the version of this image.
          bundle exec rails db:prepare
          exec bundle exec puma -C config/puma.rb
        EOT
      }

      # Creates the first account, and the token for frama's checks. Safe to repeat.
      template {
        destination = "local/owner.rb"
        data        = <<-EOT
          account = Account.find_local("frama")
          unless account
            user = User.new(
              email: ENV.fetch("ADMIN_EMAIL"), password: ENV.fetch("ADMIN_PASSWORD"), confirmed_at: Time.now.utc,
              account_attributes: { username: "frama" }, bypass_registration_checks: true,
              role: UserRole.find_by!(name: "Owner")
            )
            user.save!(validate: false)
            user.approve! unless user.approved?
            account = user.account
            Setting.site_title = ENV.fetch("SITE_TITLE")
            Setting.site_contact_username = "frama"
            Setting.site_contact_email = ENV.fetch("ADMIN_EMAIL")
            Setting.registrations_mode = "none"
          end
          secret = ENV.fetch("API_TOKEN")
          unless Doorkeeper::AccessToken.exists?(token: secret)
            application = Doorkeeper::Application.find_or_create_by!(
              name: "frama", redirect_uri: "urn:ietf:wg:oauth:2.0:oob", scopes: "read write"
            )
            token = Doorkeeper::AccessToken.create!(
              application: application, resource_owner_id: account.user.id, scopes: "read write"
            )
            token.update_columns(token: secret)
          end
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
        destination = "secrets/mastodon.env"
        env         = true
        data        = local.settings
      }

      resources {
        cpu        = local.web_cpu
        memory     = local.web_memory
        memory_max = local.web_memory_max
      }

      kill_timeout = "60s"
    }

    task "sidekiq" {
      driver = "docker"

      config {
        image   = "ghcr.io/mastodon/mastodon:v4.7.4"
        command = "bash"
        args    = ["/local/start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        LOCAL_DOMAIN        = var.host
        REDIS_HOST          = "127.0.0.1"
        REDIS_PORT          = "6379"
        PAPERCLIP_ROOT_PATH = "/data/system"
        DB_POOL             = local.threads
        THREADS             = local.threads
        MALLOC_ARENA_MAX    = "2"
      }

      template {
        destination = "local/start.sh"
        data        = <<-EOT
          # The database has to be of this version: web sees to it.
          until curl -fsS -o /dev/null http://127.0.0.1:3000/health; do sleep 5; done
          set -a
          . /data/vapid.env
          set +a
          exec bundle exec sidekiq -c "$THREADS"
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
        destination = "secrets/mastodon.env"
        env         = true
        data        = local.settings
      }

      resources {
        cpu        = local.sidekiq_cpu
        memory     = local.sidekiq_memory
        memory_max = local.sidekiq_memory_max
      }

      kill_timeout = "60s" # returns unfinished jobs to the queue
    }

    task "streaming" {
      driver = "docker"

      config {
        image   = "ghcr.io/mastodon/mastodon-streaming:v4.7.4"
        command = "node"
        args    = ["./streaming/index.js"]
      }

      env {
        LOCAL_DOMAIN = var.host
        REDIS_HOST   = "127.0.0.1"
        REDIS_PORT   = "6379"
        BIND         = "127.0.0.1"
        PORT         = "4000"
        NODE_ENV     = "production"
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
        destination = "secrets/mastodon.env"
        env         = true
        data        = local.settings
      }

      resources {
        cpu        = local.streaming_cpu
        memory     = local.streaming_memory
        memory_max = local.streaming_memory_max
      }

      kill_timeout = "30s"
    }

    # As Mastodon's user, who owns the volume: as root, Redis would take ownership of all of it.
    task "redis" {
      driver = "docker"
      user   = "991:991"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image   = "docker.io/valkey/valkey:8.1.10-alpine"
        command = "sh"
        args = ["-c", <<-EOT
          mkdir -p /volume/redis && exec valkey-server --bind 127.0.0.1 --dir /volume/redis --appendonly yes --save ''
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/volume"
      }

      resources {
        cpu        = local.redis_cpu
        memory     = local.redis_memory
        memory_max = local.redis_memory_max
      }

      kill_timeout = "30s"
    }

    task "proxy" {
      driver = "docker"

      config {
        image   = "docker.io/library/nginx:1.30.5-alpine"
        ports   = ["http"]
        command = "sh"
        args    = ["-c", "cp /local/mastodon.conf /etc/nginx/conf.d/default.conf && exec nginx -g 'daemon off;'"]
      }

      volume_mount {
        volume      = "data"
        destination = "/media"
        read_only   = true
      }

      template {
        destination = "local/mastodon.conf"
        data        = <<-EOT
          map $http_upgrade $connection_upgrade {
            default upgrade;
            ''      close;
          }

          server {
            listen 8080;
            client_max_body_size 99m;
            gzip on;
            gzip_proxied any;
            gzip_types application/json application/javascript application/activity+json text/css image/svg+xml;

            set_real_ip_from ${join("; set_real_ip_from ", split(" ", var.ingress))};
            real_ip_header X-Forwarded-For;

            proxy_http_version 1.1;
            proxy_set_header Host ${var.host};
            proxy_set_header X-Forwarded-For $remote_addr; # the visitor's, where the ingress says it
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header Proxy "";
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;

            # What people uploaded must not run as a page of this site.
            location /system/ {
              root /media;
              add_header Cache-Control "public, max-age=2419200, immutable";
              add_header X-Content-Type-Options nosniff;
              add_header Content-Security-Policy "default-src 'none'; form-action 'none'";
            }

            location ^~ /api/v1/streaming {
              proxy_pass http://127.0.0.1:4000;
              proxy_buffering off;
              proxy_read_timeout 1h;
            }

            location / {
              proxy_pass http://127.0.0.1:3000;
            }
          }
        EOT
      }

      resources {
        cpu        = local.proxy_cpu
        memory     = local.proxy_memory
        memory_max = local.proxy_memory_max
      }

      kill_timeout = "15s"
    }
  }
}
