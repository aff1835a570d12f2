name      = "stand-in"
kind      = "standin"
status    = "demo"
preferred = true

title {
  fr = "Titre de stand-in"
  en = "Title of stand-in"
}

description {
  fr = "Pour les essais."
  en = "For tests."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://example.org/stand-in"

tenancy   = "instance"
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
