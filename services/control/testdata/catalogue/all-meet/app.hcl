name      = "all-meet"
kind      = "meet"
status    = "stable"
preferred = true

title {
  fr = "Titre de all-meet"
  en = "Title of all-meet"
}

description {
  fr = "Pour les essais."
  en = "For tests."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://example.org/all-meet"

tenancy   = "shared"
first_url = "/start"
backup    = "files"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "volume"

version = "1.0.0"
tasks   = ["app"]
health {
  path = "/"
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
