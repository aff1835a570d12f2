# Mattermost in production, as Mostlymatter: the image of the team edition with Framasoft's server in place of
# /mattermost/bin/mattermost. The host builds it and pushes it to its registry, since nobody publishes it:
#     recommends is the enterprise edition, which is not free software;
#   - Mostlymatter is built from the free sources, without the limit.
# The image must still contain a shell and /mattermost/bin/mmctl, and run as user 2000.
#
# Settings are in the database (MM_CONFIG). Those below override it and are disabled in the System Console.
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

variable "registry" {
  type = string
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
  default = 1536
}

job "mattermost" {
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
        to     = 8065
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
        path     = "/api/v4/system/ping"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "mattermost" {
      driver = "docker"

      config {
        image = "${var.registry}/mostlymatter:11.7.15"
        ports = ["http"]
      }

      volume_mount {
        volume      = "data"
        destination = "/mattermost/data"
      }

      env {
        MM_SERVICESETTINGS_SITEURL                    = var.url
        MM_SERVICESETTINGS_LISTENADDRESS              = ":8065"
        MM_SERVICESETTINGS_TRUSTEDPROXYIPHEADER       = "X-Forwarded-For"
        MM_SERVICESETTINGS_ENABLELOCALMODE            = "true" # for mmctl, on a socket inside the container
        MM_SERVICESETTINGS_ENABLESECURITYFIXALERT     = "false"
        MM_SERVICESETTINGS_ENABLEGIFPICKER            = "false"
        MM_SERVICESETTINGS_ENABLELINKPREVIEWS         = "false"
        MM_LOGSETTINGS_ENABLEDIAGNOSTICS              = "false"
        MM_LOGSETTINGS_ENABLESENTRY                   = "false"
        MM_LOGSETTINGS_ENABLEFILE                     = "false"
        MM_NOTIFICATIONLOGSETTINGS_ENABLEFILE         = "false"
        MM_ANNOUNCEMENTSETTINGS_ADMINNOTICESENABLED   = "false"
        MM_ANNOUNCEMENTSETTINGS_USERNOTICESENABLED    = "false"
        MM_PLUGINSETTINGS_ENABLEMARKETPLACE           = "false"
        MM_PLUGINSETTINGS_ENABLEREMOTEMARKETPLACE     = "false"
        MM_PLUGINSETTINGS_ENABLEUPLOADS               = "false"
        MM_PLUGINSETTINGS_AUTOMATICPREPACKAGEDPLUGINS = "false"
        MM_TEAMSETTINGS_ENABLEOPENSERVER              = "false" # by invitation only
        MM_TEAMSETTINGS_MAXUSERSPERTEAM               = "5000"
        MM_SQLSETTINGS_DRIVERNAME                     = "postgres"
        MM_SQLSETTINGS_MAXOPENCONNS                   = "20" # the database is shared with other instances
        MM_SQLSETTINGS_MAXIDLECONNS                   = "5"
        MM_FILESETTINGS_DIRECTORY                     = "/mattermost/data/"
        MM_FILESETTINGS_MAXFILESIZE                   = "104857600" # bytes
        MM_EMAILSETTINGS_SENDEMAILNOTIFICATIONS       = "true"
        MM_EMAILSETTINGS_REQUIREEMAILVERIFICATION     = "true"
        MM_EMAILSETTINGS_SENDPUSHNOTIFICATIONS        = "false" # else sends messages to servers of Mattermost, Inc.
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      # The name of the site is limited to 30 bytes; replacing a cut character adds a few.
      template {
        destination = "secrets/mattermost.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ $login := printf "%s:%s" (.db_user.Value | urlquery) (.db_password.Value | urlquery) -}}
          {{ $server := printf "%s:%s/%s" .db_host.Value .db_port.Value (.db_name.Value | urlquery) -}}
          MM_CONFIG="postgres://{{ $login }}@{{ $server }}?sslmode={{ .db_sslmode.Value }}&connect_timeout=10"
          MM_SQLSETTINGS_DATASOURCE="postgres://{{ $login }}@{{ $server }}?sslmode={{ .db_sslmode.Value }}&connect_timeout=10"
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          MM_TEAMSETTINGS_SITENAME={{ .title.Value | sprig_trunc 24 | toJSON }}
          MM_LOCALIZATIONSETTINGS_DEFAULTSERVERLOCALE={{ .language.Value | toJSON }}
          MM_LOCALIZATIONSETTINGS_DEFAULTCLIENTLOCALE={{ .language.Value | toJSON }}
          MM_EMAILSETTINGS_SMTPSERVER={{ .smtp_host.Value | toJSON }}
          MM_EMAILSETTINGS_SMTPPORT={{ .smtp_port.Value | toJSON }}
          MM_EMAILSETTINGS_CONNECTIONSECURITY={{ if eq .smtp_port.Value "465" }}TLS{{ else }}STARTTLS{{ end }}
          MM_EMAILSETTINGS_ENABLESMTPAUTH={{ if .smtp_user.Value }}true{{ else }}false{{ end }}
          MM_EMAILSETTINGS_SMTPUSERNAME={{ .smtp_user.Value | toJSON }}
          MM_EMAILSETTINGS_SMTPPASSWORD={{ .smtp_password.Value | toJSON }}
          MM_EMAILSETTINGS_FEEDBACKEMAIL={{ .smtp_from.Value | toJSON }}
          MM_EMAILSETTINGS_REPLYTOADDRESS={{ .smtp_from.Value | toJSON }}
          MM_SUPPORTSETTINGS_SUPPORTEMAIL={{ .admin_email.Value | toJSON }}
          TEAM_NAME={{ .title.Value | sprig_trunc 60 | toJSON }}
          ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          ADMIN_LOCALE={{ .language.Value | toJSON }}
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
