name      = "with-acts"
kind      = "events"
status    = "stable"
preferred = true

title {
  fr = "Titre de with-acts"
  en = "Title of with-acts"
}

description {
  fr = "Pour les essais."
  en = "For tests."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://example.org/with-acts"

tenancy   = "instance"
first_url = "/start"
backup    = "files"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "app-read-only"

secret "admin_password" {
  length = 24
  kind   = "rotatable"
}

version = "1.0.0"
tasks   = ["app"]

health {
  path = "/"
}

enforce {
  stop {
    task    = "app"
    user    = "www-data"
    command = ["close"]
  }
  allow {
    request "open" {
      method = "POST"
      path   = "/open"
    }
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
