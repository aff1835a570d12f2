# Not an application: it is broken on purpose, and a trial must find out how.
name   = "unhealthy"
kind   = "pads"
status = "beta"

title {
  fr = "Malade"
  en = "Unhealthy"
}

description {
  fr = "Cassé exprès."
  en = "Broken on purpose."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://framagit.org/frama/frama"

tenancy   = "instance"
first_url = "/"
backup    = "none"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

version = "3.3.1"
tasks   = ["app"]

health {
  path = "/health"
}

image "app" {
  reference = "docker.io/etherpad/etherpad:3.3.1"
}

check "write" {
  request "note" {
    method  = "PUT"
    path    = "/notes/{object}"
    body    = "note of {object}"
    headers = { "X-Key" = "{key}" }
    status  = 201
  }
}

check "read" {
  request "note" {
    path     = "/notes/{object}"
    headers  = { "X-Key" = "{key}" }
    contains = "note of {object}"
  }
}

secret "key" {
  length = 32
  kind   = "permanent"
}

plan "starter" {
  cpu    = 50
  memory = 96
  disk   = 64
}

plan "standard" {
  cpu    = 50
  memory = 96
  disk   = 64
}

plan "large" {
  cpu    = 50
  memory = 96
  disk   = 64
}
