name   = "ethercalc"
kind   = "calcs"
status = "stable"

title {
  fr = "EtherCalc"
  en = "EtherCalc"
}

description {
  fr = "Remplir un tableau à plusieurs, en même temps, depuis un navigateur. Pas de compte : qui connaît l'adresse d'une feuille peut la modifier."
  en = "Fill in a spreadsheet together, at the same time, in a browser. No accounts: whoever knows a sheet's address can change it."
}

license    = "CC0-1.0 AND CPAL-1.0 AND Artistic-2.0"
charter_ok = true
exceptions = ["CPAL-1.0 demands that the credits of SocialCalc stay visible"]
upstream   = "https://github.com/audreyt/ethercalc"

tenancy   = "instance" # one flat list of sheets, and an address gives the right to edit
first_url = "/"
backup    = "stop+files" # many SQLite files: a live copy is not consistent
upgrade   = "auto-on-start"
suspend   = "app-read-only" # ETHERCALC_KEY makes plain links read-only

version = "0.20260717.0"

health {
  path   = "/_health"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

# The last Node version, with a Redis of its own; it has no /_health.
variant "native" {
  version = "0.20200127.0"
  health {
    path   = "/_rooms"
    status = 200
  }
}

plan "starter" {
  cpu        = 100
  memory     = 256
  memory_max = 1024
  disk       = 1024
}

plan "standard" {
  cpu        = 200
  memory     = 256
  memory_max = 1024
  disk       = 5120
}

plan "large" {
  cpu        = 400
  memory     = 512
  memory_max = 2048
  disk       = 20480
}
