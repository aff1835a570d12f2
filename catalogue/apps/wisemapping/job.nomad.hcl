# WiseMapping in production: the upstream image (nginx and the Java application), everything in PostgreSQL.
#
# By default it creates two accounts with public passwords at every start. The job replaces its initial data by a single
# administrator with a generated password.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20000 job.nomad.hcl

variable "job_id" {
  type = string
}

variable "url" {
  type = string
}

variable "port" {
  type = number
}

variable "cpu" {
  type    = number # MHz
  default = 400
}

variable "memory" {
  type    = number # MiB
  default = 896
}

variable "memory_max" {
  type    = number # MiB
  default = 1536
}

# Java needs more than its heap: threads, code, and nginx beside it.
locals {
  heap = floor(var.memory * 6 / 10)
}

job "wisemapping" {
  id   = "${var.job_id}"
  type = "service"

  # The first start creates the database, which takes longer than Nomad's default deadline.
  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 80
      }
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/api/restful/app/config"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "wisemapping" {
      driver = "docker"

      config {
        image = "docker.io/wisemapping/wisemapping:6.0.9"
        ports = ["http"]
      }

      env {
        JAVA_OPTS            = "-Xmx${local.heap}m -Xms256m"
        SPRING_CONFIG_IMPORT = "file:/secrets/application.yml"
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      # The application runs as its own user, hence the permissions. JSON strings are valid YAML strings.
      template {
        destination = "secrets/application.yml"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          spring:
            datasource:
              url: "jdbc:postgresql://{{ .db_host.Value }}:{{ .db_port.Value }}/{{ .db_name.Value }}?sslmode={{ .db_sslmode.Value }}{{ if .db_ca.Value }}&sslrootcert=/secrets/db-ca.pem{{ end }}"
              username: {{ .db_user.Value | toJSON }}
              password: {{ .db_password.Value | toJSON }}
              driver-class-name: org.postgresql.Driver
            jpa:
              hibernate:
                ddl-auto: validate
              properties:
                hibernate:
                  dialect: org.hibernate.dialect.PostgreSQLDialect
            sql:
              init:
                platform: postgresql
                mode: always
                schema-locations: "classpath:schema-postgresql.sql"
                data-locations: "file:/secrets/data.sql"
                continue-on-error: false
            mail:
              host: {{ .smtp_host.Value | toJSON }}
              port: {{ .smtp_port.Value }}
              username: {{ .smtp_user.Value | toJSON }}
              password: {{ .smtp_password.Value | toJSON }}
              properties:
                mail:
                  smtp:
                    auth: {{ if .smtp_user.Value }}true{{ else }}false{{ end }}
                    starttls:
                      enable: {{ if eq .smtp_port.Value "465" }}false{{ else }}true{{ end }}
                    ssl:
                      enable: {{ if eq .smtp_port.Value "465" }}true{{ else }}false{{ end }}
                      checkserveridentity: true
          app:
            telemetry:
              enabled: false
            site:
              ui-base-url: "${var.url}"
              api-base-url: "${var.url}"
            jwt:
              secret: {{ .jwt_secret.Value | toJSON }}
            oauth:
              token:
                secret: {{ .oauth_secret.Value | toJSON }}
            admin:
              user: {{ .admin_email.Value | toJSON }}
            mail:
              enabled: true
              sender-email: {{ .smtp_from.Value | toJSON }}
              support-email: {{ .smtp_from.Value | toJSON }}
            registration:
              enabled: false
          {{ end -}}
        EOT
      }

      # Runs at every start; both statements do nothing if the account exists.
      template {
        destination = "secrets/data.sql"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ $email := .admin_email.Value | replaceAll "'" "''" -}}
          INSERT INTO collaborator (email, creation_date) VALUES ('{{ $email }}', CURRENT_DATE)
          ON CONFLICT DO NOTHING;
          INSERT INTO account (collaborator_id, firstname, lastname, password, activation_code, activation_date,
                               allow_send_email, authentication_type)
          SELECT id, 'Frama', 'Admin', '{bcrypt}' || crypt('{{ .admin_password.Value }}', gen_salt('bf', 12)), 1,
                 CURRENT_DATE, false, 'D'
          FROM collaborator WHERE email = '{{ $email }}'
          ON CONFLICT DO NOTHING;
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
