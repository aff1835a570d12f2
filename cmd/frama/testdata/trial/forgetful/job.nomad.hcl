# Keeps notes in memory only: a restart loses them.
variable "job_id" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

variable "cpu" {
  type = number
}

variable "memory" {
  type = number
}

job "app" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    update {
      min_healthy_time  = "1s"
      healthy_deadline  = "10s"
      progress_deadline = "20s"
    }

    restart {
      attempts = 0
      mode     = "fail"
    }

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
        path     = "/health"
        interval = "1s"
        timeout  = "1s"
      }
    }

    task "app" {
      driver = "docker"

      # An image with Node.js.
      config {
        image   = "docker.io/etherpad/etherpad:3.3.1"
        ports   = ["http"]
        command = "node"
        args    = ["/local/server.js"]
      }

      template {
        destination = "local/server.js"
        data        = <<-EOT
          const notes = {}
          require("http").createServer((ask, answer) => {
            if (ask.url === "/" || ask.url === "/health") {
              answer.statusCode = 200
              return answer.end("ok")
            }
            if (ask.headers["x-key"] !== process.env.KEY) {
              answer.statusCode = 403
              return answer.end("who are you?")
            }
            if (ask.method !== "PUT") return answer.end(notes[ask.url] || "no such note")
            let text = ""
            ask.on("data", part => { text += part })
            ask.on("end", () => {
              notes[ask.url] = text
              answer.statusCode = 201
              answer.end()
            })
          }).listen(8080)
        EOT
      }

      template {
        destination = "secrets/app.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}KEY={{ .key.Value | toJSON }}{{ end }}
        EOT
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }

      kill_timeout = "5s"
    }
  }
}
