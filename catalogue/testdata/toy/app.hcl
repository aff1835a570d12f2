name   = "toy"
kind   = "pads"
status = "stable"

title {
  fr = "Jouet"
  en = "Toy"
}

description {
  fr = "Un jouet, pour les essais."
  en = "A toy, for tests."
}

license    = "MIT"
charter_ok = true
upstream   = "https://example.org/toy"

tenancy   = "instance"
first_url = "/"
backup    = "dump+files"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "volume"

version = "1.2.3"
tasks   = ["toy", "helper"]
needs   = ["postgres", "smtp"]

health {
  path   = "/health"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

image "toy" {
  reference = "docker.io/example/toy:1.2.3"
}

image "helper" {
  reference = "helper:4.5.6"
  build     = "https://example.org/helper"
}

setup "first" {
  task    = "toy"
  command = ["toy", "install"]
}

secret "admin_password" {
  length = 32
  kind   = "rotatable"
}

secret "session_key" {
  length = 64
  kind   = "permanent"
}

value "title" {
  from = "association"
}

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 512
  disk       = 1024
}

plan "standard" {
  cpu        = 300
  memory     = 384
  memory_max = 768
  disk       = 5120
}

plan "large" {
  cpu        = 500
  memory     = 512
  memory_max = 1536
  disk       = 20480
}
