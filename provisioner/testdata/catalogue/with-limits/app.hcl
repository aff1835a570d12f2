name      = "with-limits"
kind      = "cloud"
status    = "stable"
preferred = true

title {
  fr = "Titre de with-limits"
  en = "Title of with-limits"
}

description {
  fr = "Pour les essais."
  en = "For tests."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://example.org/with-limits"

tenancy   = "instance"
first_url = "/start"
backup    = "files"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "app-instance"

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
  tell {
    task    = "app"
    command = ["limit", "{storage_mib}", "{storage_bytes}", "{accounts}"]
    reserve = 1024
  }
}

plan "starter" {
  cpu    = 100
  memory = 128
  disk   = 10240
}

plan "standard" {
  cpu    = 200
  memory = 256
  disk   = 20480
}

plan "large" {
  cpu    = 400
  memory = 512
  disk   = 40960
}
