# EtherCalc as a plain process, for development and tests: the npm package of 0.20200127.0 with a Redis of its own, whose
# file is on the volume.
#
# The chroot holds next to nothing: programs come from the host volumes frama-usr (/usr, with redis-server) and
# frama-native (what deploy/tools/get installed), so that a start copies no files. The agent must offer both, read-only,
# and link /bin, /lib and /lib64 into /usr. By hand:
#   nomad job run -var job_id=… -var port=20001 -var volume=… native.nomad.hcl

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
  type    = number # MHz
  default = 100
}

variable "memory" {
  type    = number # MiB
  default = 256
}

variable "memory_max" {
  type    = number # MiB
  default = 1024
}

# What is reserved is for both processes together.
locals {
  redis_cpu        = floor(var.cpu / 4)
  redis_memory     = floor(var.memory / 4)
  redis_memory_max = floor(var.memory_max / 4)
}

job "ethercalc" {
  id   = "${var.job_id}"
  type = "service"

  # frama overrides these; by hand the default of 10 s would double the wait.
  update {
    min_healthy_time  = "1s"
    healthy_deadline  = "2m"
    progress_deadline = "3m"
  }

  group "app" {
    # A port that its last owner has not left yet is free a moment later; Nomad's default would wait 15 s.
    restart {
      attempts = 10
      interval = "2m"
      delay    = "1s"
      mode     = "fail"
    }

    network {
      port "http" {
        static = var.port
      }
    }

    volume "data" {
      source = var.volume
    }

    volume "usr" {
      type      = "host"
      source    = "frama-usr"
      read_only = true
    }

    volume "native" {
      type      = "host"
      source    = "frama-native"
      read_only = true
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/_rooms"
        interval = "2s"
        timeout  = "2s"
      }
    }

    # Reached by a socket that only this allocation sees: by port, all instances of the machine would share sheets.
    task "redis" {
      driver = "exec"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        command = "/usr/bin/redis-server"
        args = [
          "--port", "0",
          "--unixsocket", "${NOMAD_ALLOC_DIR}/data/redis.sock",
          "--unixsocketperm", "700",
          "--dir", "/data",
          "--appendonly", "yes",
          "--save", "",
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }

      resources {
        cpu        = local.redis_cpu
        memory     = local.redis_memory
        memory_max = local.redis_memory_max
      }

      kill_timeout = "15s"
    }

    task "ethercalc" {
      driver = "exec"

      config {
        # Without Redis at its start, EtherCalc silently keeps sheets in files that do not last: wait for an answer, since
        # a socket left by an earlier run answers nothing. As the first process of its container it would ignore the
        # signal to stop, hence the shell that passes it on.
        command = "/usr/bin/sh"
        args = ["-c", <<-EOT
          until redis-cli -s "$REDIS_SOCKPATH" ping 2>/dev/null | grep -q PONG; do sleep 0.1; done
          node /native/ethercalc/node_modules/ethercalc/bin/ethercalc --host "$NOMAD_IP_http" --port "$NOMAD_PORT_http" &
          trap "kill $!" INT TERM
          wait $!
        EOT
        ]
      }

      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }

      volume_mount {
        volume      = "native"
        destination = "/native"
        read_only   = true
      }

      env {
        NODE_ENV       = "production"
        PATH           = "/usr/local/bin:/usr/bin:/bin"
        HOME           = "${NOMAD_TASK_DIR}"
        REDIS_SOCKPATH = "${NOMAD_ALLOC_DIR}/data/redis.sock"
      }

      resources {
        cpu        = var.cpu - local.redis_cpu
        memory     = var.memory - local.redis_memory
        memory_max = var.memory_max - local.redis_memory_max
      }

      kill_timeout = "15s"
    }
  }
}
