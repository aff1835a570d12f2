# Prosody in production: an image that the host builds itself (Dockerfile beside this file), with Converse as the page.
# Everything goes by HTTP, through the ingress; there is no federation with other XMPP servers.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var registry=… -var host=… -var url=https://… -var port=20000 -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "registry" {
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
  default = 50
}

variable "memory" {
  type    = number # MiB
  default = 64
}

variable "memory_max" {
  type    = number # MiB
  default = 256
}

job "prosody" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 5280
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

    task "prosody" {
      driver = "docker"

      config {
        image   = "${var.registry}/prosody:0.12.3"
        ports   = ["http"]
        command = "sh"
        args = ["-ec", <<-EOT
          mkdir -p /tmp/www /tmp/modules
          cp /local/index.html /tmp/www/
          ln -sfn /srv/converse /tmp/www/converse
          cp /local/mod_frama.lua /tmp/modules/
          exec prosody -F --config /local/prosody.cfg.lua
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/lib/prosody"
      }

      template {
        destination = "local/prosody.cfg.lua"
        data        = <<-EOT
          plugin_paths = { "/tmp/modules" }
          data_path = "/var/lib/prosody"
          pidfile = "/tmp/prosody.pid"
          log = { info = "*console" }
          admins = { "admin@${var.host}" }
          modules_enabled = {
            "roster", "saslauth", "disco", "carbons", "pep", "blocklist", "vcard4", "vcard_legacy", "private", "limits",
            "bookmarks", "mam", "smacks", "ping", "time", "version", "uptime", "posix",
            "admin_adhoc", "bosh", "websocket", "http_files",
          }
          modules_disabled = { "s2s", "offline" }
          c2s_ports = {}
          c2s_direct_tls_ports = {}
          allow_registration = false
          authentication = "internal_hashed"
          archive_expires_after = "1y"

          -- The ingress speaks https, and knows the address of visitors.
          http_ports = { 5280 }
          http_interfaces = { "*" }
          https_ports = {}
          http_default_host = "${var.host}"
          http_external_url = "${var.url}"
          trusted_proxies = { {{ range split " " "${var.ingress}" }}"{{ . }}", {{ end }}"127.0.0.1" }
          consider_bosh_secure = true
          consider_websocket_secure = true
          http_paths = { files = "/", bosh = "/http-bind", websocket = "/xmpp-websocket" }
          http_files_dir = "/tmp/www"

          VirtualHost "${var.host}"
            modules_enabled = { "frama" }
          Component "conference.${var.host}" "muc"
            modules_enabled = { "muc_mam" }
            restrict_room_creation = "local"
            muc_room_default_persistent = true
            muc_room_default_public_jids = false
        EOT
      }

      # Creates the first account, and an endpoint that, with its password, writes a message to oneself and reads the
      # latest.
      template {
        destination = "local/mod_frama.lua"
        data        = <<-EOT
          local usermanager = require "core.usermanager"
          local base64 = require "util.encodings".base64
          local st = require "util.stanza"
          local archive = module:open_store("archive", "archive")
          module:depends("http")
          module:depends("mam")

          if not usermanager.user_exists("admin", module.host) then
            assert(usermanager.create_user("admin", os.getenv("ADMIN_PASSWORD"), module.host))
          end

          local function who(request)
            local given = (request.headers.authorization or ""):match("^Basic (.+)$")
            local name, password = (given and base64.decode(given) or ""):match("^([^:]+):(.*)$")
            if name and usermanager.test_password(name, module.host, password) then
              return name
            end
          end

          module:provides("http", {
            route = {
              ["POST /messages"] = function(event)
                local name = who(event.request)
                if not name then return 401 end
                local own = name .. "@" .. module.host
                module:send(st.message({ from = own .. "/frama", to = own, type = "chat" }):tag("body"):text(event.request.body):up())
                return 201
              end,
              ["GET /messages"] = function(event)
                local name = who(event.request)
                if not name then return 401 end
                local lines = {}
                for _, stanza in assert(archive:find(name, { limit = 50, reverse = true })) do
                  table.insert(lines, stanza:get_child_text("body") or "")
                end
                return table.concat(lines, "\n")
              end,
            },
          })
        EOT
      }

      template {
        destination = "secrets/prosody.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # Visitors' data goes to no third party: emoji come from their system, and images from other sites are not shown.
      template {
        destination = "local/index.html"
        data        = <<-EOT
          <!DOCTYPE html>
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          <html lang="{{ .language.Value | html }}">
          <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{{ .title.Value | html }}</title>
          {{ end -}}
            <link rel="stylesheet" href="/converse/converse.min.css">
            <script type="module" src="/converse/converse.min.js"></script>
          </head>
          <body class="converse-fullscreen">
            <noscript>JavaScript</noscript>
            <div id="conversejs-bg"></div>
            <script type="module">
              converse.initialize({
                assets_path: '/converse/',
                websocket_url: '${var.url}/xmpp-websocket'.replace('https:', 'wss:'),
                bosh_service_url: '${var.url}/http-bind',
                discover_connection_methods: false,
                view_mode: 'fullscreen',
                i18n: document.documentElement.lang,
                locked_domain: '${var.host}',
                muc_domain: 'conference.${var.host}',
                locked_muc_domain: 'hidden',
                allow_registration: false,
                show_client_info: false,
                render_media: false,
                use_system_emojis: true,
                muc_show_logs_before_join: true,
              });
            </script>
          </body>
          </html>
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
