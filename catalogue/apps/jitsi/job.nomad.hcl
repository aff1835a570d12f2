# Jitsi Meet in production: web (the page), prosody (messages between the parts), jicofo (participants of each room) and
# jvb (sound and video), in one network.
#
# The images are copies of ghcr.io/jitsi/{web,prosody,jicofo,jvb}:stable-11146-2 in the host's registry, since jobs only
# run images whose tag is a version. Upgrade all four together.
#
# jvb uses any free UDP port of the node and announces it to browsers. The firewall must open Nomad's dynamic range
# (20000 to 32000 by default) for UDP.
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
  default = 1000
}

variable "memory" {
  type    = number # MiB
  default = 1536
}

variable "memory_max" {
  type    = number # MiB
  default = 3072
}

# The reservation is for all tasks together; sound and video get the most. Java needs more than its heap.
locals {
  web_cpu            = floor(var.cpu / 20)
  web_memory         = floor(var.memory / 16)
  web_memory_max     = floor(var.memory_max / 16)
  prosody_cpu        = floor(var.cpu / 10)
  prosody_memory     = floor(var.memory / 8)
  prosody_memory_max = floor(var.memory_max / 8)
  jicofo_cpu         = floor(var.cpu / 10)
  jicofo_memory      = floor(var.memory / 4)
  jicofo_memory_max  = floor(var.memory_max / 4)
  jvb_cpu            = var.cpu - local.web_cpu - local.prosody_cpu - local.jicofo_cpu
  jvb_memory         = var.memory - local.web_memory - local.prosody_memory - local.jicofo_memory
  jvb_memory_max     = var.memory_max - local.web_memory_max - local.prosody_memory_max - local.jicofo_memory_max
}

job "jitsi" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      mode = "bridge"
      port "http" {
        static = var.port
        to     = 8000
      }
      # The same port inside and outside, since jvb announces it to browsers.
      port "media" {
        to = -1
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

    task "web" {
      driver = "docker"

      config {
        image      = "${var.registry}/jitsi-web:11146.2"
        ports      = ["http"]
        entrypoint = ["sh", "-c", "cp /local/custom-config.js /config/custom-config.js && exec /init"]
      }

      env {
        TZ                  = "UTC"
        PUBLIC_URL          = var.url
        DISABLE_HTTPS       = "1" # TLS ends at the ingress
        ENABLE_LETSENCRYPT  = "0"
        XMPP_BOSH_URL_BASE  = "http://127.0.0.1:5280"
        ENABLE_P2P          = "0" # else calls between two people use a STUN server of Jitsi's vendor
        ENABLE_RECORDING    = "0"
        ENABLE_STATS_ID     = "0"
        ENABLE_PREJOIN_PAGE = "1"
        DEFAULT_LANGUAGE    = "fr"
      }

      template {
        destination = "local/custom-config.js"
        data        = <<-EOT
          config.disableThirdPartyRequests = true;
          config.gravatar = { disabled: true };
          config.analytics = { disabled: true };
        EOT
      }

      resources {
        cpu        = local.web_cpu
        memory     = local.web_memory
        memory_max = local.web_memory_max
      }

      kill_timeout = "15s"
    }

    task "prosody" {
      driver = "docker"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image = "${var.registry}/jitsi-prosody:11146.2"
      }

      volume_mount {
        volume      = "data"
        destination = "/var/lib/prosody"
      }

      env {
        TZ               = "UTC"
        PUBLIC_URL       = var.url
        ENABLE_AUTH      = "0" # anybody can open a room
        ENABLE_LOBBY     = "1"
        ENABLE_RECORDING = "0"
        LOG_LEVEL        = "warn"
      }

      template {
        destination = "secrets/prosody.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          JICOFO_AUTH_PASSWORD={{ .jicofo_password.Value | toJSON }}
          JVB_AUTH_PASSWORD={{ .jvb_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = local.prosody_cpu
        memory     = local.prosody_memory
        memory_max = local.prosody_memory_max
      }

      kill_timeout = "15s"
    }

    task "jicofo" {
      driver = "docker"

      config {
        image = "${var.registry}/jitsi-jicofo:11146.2"
      }

      env {
        TZ                          = "UTC"
        XMPP_SERVER                 = "127.0.0.1"
        JICOFO_ENABLE_HEALTH_CHECKS = "1"
        JICOFO_MAX_MEMORY           = "${floor(local.jicofo_memory * 6 / 10)}m"
      }

      template {
        destination = "secrets/jicofo.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          JICOFO_AUTH_PASSWORD={{ .jicofo_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = local.jicofo_cpu
        memory     = local.jicofo_memory
        memory_max = local.jicofo_memory_max
      }

      kill_timeout = "15s"
    }

    task "jvb" {
      driver = "docker"

      config {
        image = "${var.registry}/jitsi-jvb:11146.2"
        ports = ["media"]
      }

      env {
        TZ                     = "UTC"
        XMPP_SERVER            = "127.0.0.1"
        JVB_PORT               = "${NOMAD_HOST_PORT_media}"
        JVB_ADVERTISE_IPS      = "${NOMAD_HOST_IP_media}"
        JVB_DISABLE_STUN       = "1"    # else it asks a STUN server of Jitsi's vendor for the node's address
        COLIBRI_REST_ENABLED   = "true" # metrics for frama, inside this network only
        VIDEOBRIDGE_MAX_MEMORY = "${floor(local.jvb_memory * 7 / 10)}m"
      }

      template {
        destination = "secrets/jvb.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          JVB_AUTH_PASSWORD={{ .jvb_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = local.jvb_cpu
        memory     = local.jvb_memory
        memory_max = local.jvb_memory_max
      }

      kill_timeout = "30s"
    }
  }
}
