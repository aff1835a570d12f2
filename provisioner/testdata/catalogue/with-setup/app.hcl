name      = "with-setup"
kind      = "wiki"
status    = "stable"
preferred = true

title {
  fr = "Titre de with-setup"
  en = "Title of with-setup"
}

description {
  fr = "Pour les essais."
  en = "For tests."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://example.org/with-setup"

tenancy   = "instance"
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

setup "install" {
  task    = "app"
  command = ["install", "--quiet"]
}

setup "extend" {
  task    = "app"
  user    = "www-data"
  command = ["extend"]
}

setup "greet" {
  request "greet" {
    path = "/greet"
  }
}

check "opening" {
  request "first account" {
    path = "/me"
  }
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
