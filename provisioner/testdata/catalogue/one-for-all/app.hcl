name      = "one-for-all"
kind      = "lists"
status    = "stable"
preferred = true

title {
  fr = "Titre de one-for-all"
  en = "Title of one-for-all"
}

description {
  fr = "Pour les essais."
  en = "For tests."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://example.org/one-for-all"

tenancy   = "shared"
first_url = "/start"
backup    = "files"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "volume"

secret "admin_password" {
  length = 24
  kind   = "rotatable"
}

version = "1.0.0"
tasks   = ["app"]

health {
  path = "/"
}

image "app" {
  reference = "docker.io/library/one-for-all:1.0.0"
}

plan "starter" {
  cpu    = 100
  memory = 128
  disk   = 100
}

plan "standard" {
  cpu    = 200
  memory = 256
  disk   = 200
}

plan "large" {
  cpu    = 400
  memory = 512
  disk   = 400
}
