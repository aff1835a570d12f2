# PocketBase in production: one collection of answers and one form, in an image that the host builds itself (Dockerfile
# beside this file). Answers are in SQLite on the volume.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad var put nomad/jobs/JOB title=… language=fr admin_email=… admin_password=… usage_key=…
#   nomad job run -var job_id=JOB -var registry=… -var url=https://… -var port=20000 -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "registry" {
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

job "pocketbase" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8090
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
        path     = "/api/health"
        interval = "5s"
        timeout  = "5s"
      }
    }

    task "pocketbase" {
      driver = "docker"

      config {
        image           = "${var.registry}/pocketbase:0.38.0"
        ports           = ["http"]
        readonly_rootfs = true
        command         = "sh"
        # PocketBase reads folders; their files are rewritten at each start.
        args = ["-ec", <<-EOT
          cd "$NOMAD_TASK_DIR"
          mkdir -p migrations hooks public
          cp 1_answers.js migrations/
          cp main.pb.js hooks/
          cp index.html public/
          exec pocketbase serve --http 0.0.0.0:8090 --dir /data \
            --migrationsDir "$PWD/migrations" --automigrate=false \
            --hooksDir "$PWD/hooks" --hooksWatch=false --hooksPool 2 \
            --publicDir "$PWD/public"
        EOT
        ]

        mount {
          type   = "tmpfs"
          target = "/tmp"
          tmpfs_options {
            size = 67108864 # bytes
          }
        }
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        HOME       = "${NOMAD_TASK_DIR}"
        GOMEMLIMIT = "${var.memory}MiB" # garbage collection starts below the limit
        URL        = var.url
      }

      template {
        destination = "secrets/pocketbase.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          TITLE={{ .title.Value | toJSON }}
          ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          USAGE_KEY={{ .usage_key.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # Runs once: PocketBase records the names of applied migrations.
      template {
        destination = "local/1_answers.js"
        data        = <<-EOT
          migrate((app) => {
            app.save(new Collection({
              type: "base",
              name: "answers",
              createRule: "", // everybody; reading is left to superusers
              fields: [
                { name: "form", type: "text", required: true, max: 100 },
                { name: "answer", type: "text", required: true, max: 10000 },
                { name: "created", type: "autodate", onCreate: true },
              ],
              indexes: ["CREATE INDEX answers_form ON answers (form, created)"],
            }))
          })
        EOT
      }

      # Runs at each start, before the server answers: without a superuser it would let any visitor create one, and a
      # password changed in the Nomad Variable must be applied.
      template {
        destination = "local/main.pb.js"
        data        = <<-EOT
          onBootstrap((e) => {
            e.next()
            const settings = e.app.settings()
            settings.meta.appName = $os.getenv("TITLE")
            settings.meta.appURL = $os.getenv("URL")
            settings.trustedProxy.headers = ["X-Forwarded-For"]
            e.app.save(settings)

            const email = $os.getenv("ADMIN_EMAIL")
            let superuser
            try {
              superuser = e.app.findAuthRecordByEmail("_superusers", email)
              if (superuser.validatePassword($os.getenv("ADMIN_PASSWORD"))) return // a save would end all sessions
            } catch {
              superuser = new Record(e.app.findCollectionByNameOrId("_superusers"))
              superuser.setEmail(email)
            }
            superuser.setPassword($os.getenv("ADMIN_PASSWORD"))
            e.app.save(superuser)
          })

          // What is counted, and nothing else of the answers.
          routerAdd("GET", "/api/frama/usage", (e) => {
            const key = $os.getenv("USAGE_KEY")
            if (!key || !$security.equal(e.request.url.query().get("key"), key)) throw new ForbiddenError()
            return e.json(200, { answers: $app.countRecords("answers") })
          })
        EOT
      }

      # The form.
      template {
        destination = "local/index.html"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ $fr := eq .language.Value "fr" -}}
          <!doctype html>
          <html lang="{{ if $fr }}fr{{ else }}en{{ end }}">
          <meta charset="utf-8">
          <meta name="viewport" content="width=device-width">
          <title>{{ .title.Value | html }}</title>
          <style>
            body { font: 1.1em/1.5 sans-serif; max-width: 36em; margin: 2em auto; padding: 0 1em }
            textarea { width: 100%; font: inherit }
          </style>
          <h1>{{ .title.Value | html }}</h1>
          <form>
            <p><label for="answer">{{ if $fr }}Votre réponse{{ else }}Your answer{{ end }}</label></p>
            <p><textarea id="answer" rows="6" required maxlength="10000"></textarea></p>
            <p><button>{{ if $fr }}Envoyer{{ else }}Send{{ end }}</button> <output></output></p>
          </form>
          <p><a href="/_/">{{ if $fr }}Lire les réponses{{ else }}Read the answers{{ end }}</a></p>
          <script>
            const form = document.querySelector("form"), said = document.querySelector("output")
            form.addEventListener("submit", async (event) => {
              event.preventDefault()
              const body = JSON.stringify({ form: "contact", answer: form.answer.value })
              const sent = await fetch("/api/collections/answers/records",
                { method: "POST", headers: { "Content-Type": "application/json" }, body }).then((r) => r.ok, () => false)
              said.textContent = sent
                ? "{{ if $fr }}Merci, votre réponse est enregistrée.{{ else }}Thank you, your answer is kept.{{ end }}"
                : "{{ if $fr }}L'envoi a échoué : réessayez plus tard.{{ else }}It could not be sent: try again later.{{ end }}"
              if (sent) form.reset()
            })
          </script>
          </html>
          {{ end -}}
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
