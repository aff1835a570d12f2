# Odoo Community in production: the official image, one database per association, files on the volume.
#
# The image's entrypoint passes the password as a process argument, visible to everybody on the node, and waits for
# another database. The settings file makes both unnecessary, so Odoo is started directly.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var volume=… (and the others without a default) job.nomad.hcl

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

variable "cpu" {
  type    = number # MHz
  default = 400
}

variable "memory" {
  type    = number # MiB
  default = 768
}

variable "memory_max" {
  type    = number # MiB
  default = 2048
}

job "odoo" {
  id   = "${var.job_id}"
  type = "service"

  # The first start creates the database, which takes longer than Nomad's default deadline.
  update {
    healthy_deadline  = "20m"
    progress_deadline = "25m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8069
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
        path     = "/web/health"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "odoo" {
      driver = "docker"

      config {
        image      = "docker.io/library/odoo:19.0-20260723"
        ports      = ["http"]
        entrypoint = ["/bin/bash", "/local/start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/lib/odoo"
      }

      env {
        ODOO_RC  = "/secrets/odoo.conf"
        BASE_URL = var.url
      }

      # The administrator's default password is replaced before anything listens. With a newer image, the installed
      # modules are updated, which Odoo does not do itself.
      template {
        destination = "local/start.sh"
        data        = <<-EOT
          set -eu
          have=$(psql -tAc "select 1 from ir_module_module where name = 'contacts' and state = 'installed'" 2>/dev/null || true)
          if [ "$have" != 1 ]; then
            odoo --init=base,contacts --without-demo=all --load-language="$ODOO_LANG" --no-http --stop-after-init
          fi
          # A start that broke off between the two is made up for: the parameter is set last.
          ready=$(psql -tAc "select value from ir_config_parameter where key = 'frama.image'")
          if [ -z "$ready" ]; then
            odoo shell --no-http <<'PYTHON'
          import os
          admin = env.ref("base.user_admin")
          admin.write({"password": os.environ["ADMIN_PASSWORD"], "lang": os.environ["ODOO_LANG"]})
          admin.partner_id.email = os.environ["ADMIN_EMAIL"]
          parameters = env["ir.config_parameter"]
          parameters.set_param("web.base.url", os.environ["BASE_URL"])
          parameters.set_param("web.base.url.freeze", "True")
          parameters.set_param("auth_signup.invitation_scope", "b2b")
          # The weekly report to Odoo SA: how many people, which modules.
          report = env.ref("mail.ir_cron_module_update_notification", raise_if_not_found=False)
          if report:
              report.active = False
          parameters.set_param("frama.image", "19.0-20260723")
          env.cr.commit()
          PYTHON
          elif [ "$ready" != 19.0-20260723 ]; then
            odoo --update=all --no-http --stop-after-init
            psql -qc "update ir_config_parameter set value = '19.0-20260723' where key = 'frama.image'"
          fi
          exec odoo
        EOT
      }

      # One process with threads (workers = 0) serves pages and live updates on one port.
      template {
        destination = "secrets/odoo.conf"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          [options]
          addons_path = /mnt/extra-addons
          data_dir = /var/lib/odoo
          db_host = {{ .db_host.Value }}
          db_port = {{ .db_port.Value }}
          db_user = {{ .db_user.Value }}
          db_password = {{ .db_password.Value }}
          db_sslmode = {{ .db_sslmode.Value }}
          db_name = {{ .db_name.Value }}
          dbfilter = ^{{ .db_name.Value }}$
          db_maxconn = 16
          list_db = False
          admin_passwd = {{ .master_password.Value }}
          proxy_mode = True
          http_port = 8069
          workers = 0
          max_cron_threads = 1
          publisher_warranty_url =
          smtp_server = {{ .smtp_host.Value }}
          smtp_port = {{ .smtp_port.Value }}
          smtp_ssl = True
          smtp_user = {{ .smtp_user.Value }}
          smtp_password = {{ .smtp_password.Value }}
          email_from = {{ .smtp_from.Value }}
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
        destination = "secrets/odoo.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          PGHOST={{ .db_host.Value | toJSON }}
          PGPORT={{ .db_port.Value | toJSON }}
          PGUSER={{ .db_user.Value | toJSON }}
          PGPASSWORD={{ .db_password.Value | toJSON }}
          PGSSLMODE={{ .db_sslmode.Value | toJSON }}
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          PGDATABASE={{ .db_name.Value | toJSON }}
          ODOO_LANG={{ if eq .language.Value "fr" }}fr_FR{{ else }}en_US{{ end }}
          ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      kill_timeout = "60s"
    }
  }
}
