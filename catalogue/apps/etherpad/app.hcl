name   = "etherpad"
kind   = "pads"
status = "stable"

title {
  fr = "Etherpad"
  en = "Etherpad"
}

description {
  fr = "Écrire un texte à plusieurs, en même temps, depuis un navigateur. Pas de compte : qui connaît l'adresse d'un pad peut y écrire. Chaque version est gardée."
  en = "Write a text together, at the same time, in a browser. No accounts: whoever knows a pad's address can write in it. Every version is kept."
}

license    = "Apache-2.0"
charter_ok = true
upstream   = "https://github.com/ether/etherpad"

tenancy   = "instance" # one flat list of pads, and an address gives the right to edit
first_url = "/"
backup    = "dump"     # everything is in one table; the keys below are in frama's backup
upgrade   = "auto-on-start"
suspend   = "proxy" # no mode of its own closes a whole instance

version = "3.3.1"
needs   = ["postgres"] # the built-in file database is never for production

health {
  path   = "/health"
  status = 200
}

volume {
  uid = 5001
  gid = 0
}

# Version 1.8.14 of npm has another API and no /health; it keeps its pads in a file of the volume.
variant "native" {
  version = "1.8.14"
  health {
    path   = "/api"
    status = 200
  }
}

secret "admin_password" {
  length = 32
  kind   = "rotatable"
}

# APIKEY.txt: frama counts and exports pads with it.
secret "api_key" {
  length = 64
  kind   = "permanent"
}

# SESSIONKEY.txt: signs cookies; a new one signs every author out.
secret "session_key" {
  length = 64
  kind   = "permanent"
}

value "title" {
  from = "association"
}

value "language" {
  from = "language"
}

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 768
  disk       = 1024
}

plan "standard" {
  cpu        = 300
  memory     = 384
  memory_max = 1024
  disk       = 5120
}

plan "large" {
  cpu        = 500
  memory     = 512
  memory_max = 1536
  disk       = 20480
}
