name   = "lufi"
kind   = "drop"
status = "beta"

title {
  fr = "Lufi"
  en = "Lufi"
}

description {
  fr = "Envoyer un fichier trop lourd pour un courriel : il est chiffré dans le navigateur, et le lien s’efface à la date choisie ou après le premier téléchargement. Pas de compte."
  en = "Send a file too large for a mail: it is encrypted in the browser, and the link goes away on the day you choose or after the first download. No accounts."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://framagit.org/fiat-tux/hat-softwares/lufi"
docs = [
  "https://framagit.org/fiat-tux/hat-softwares/lufi/-/wikis/home",
  "https://framagit.org/fiat-tux/hat-softwares/lufi/-/blob/master/lufi.conf.template",
]
unverified = [
  "0.07.3 was tried on Debian's Perl and Mojolicious 9.31, uploads and downloads through the WebSocket too; its own plugins were stood in for.",
  "The image (Dockerfile beside this file) was written after upstream's instructions and never built.",
  "A check cannot speak to the WebSocket: it reads pages that take the settings and the database.",
]

tenancy   = "shared" # no accounts: nothing tells associations apart
first_url = "/"
backup    = "none" # everything is deleted within a month
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "app-instance" # refuses files when the volume's share is used up

egress = "none"

version = "0.07.3"
tasks   = ["lufi"]
needs   = ["postgres"]

health {
  path   = "/about/config"
  status = 200
}

# The user lufi of the image
volume {
  uid = 1000
  gid = 1000
}

image "lufi" {
  reference = "lufi:0.07.3"
  build     = "https://framagit.org/fiat-tux/hat-softwares/lufi"
}

check "write" {
  request "settings" {
    path     = "/about/config"
    contains = "\"stop_upload\":false"
  }
  request "page" {
    path = "/"
  }
}

check "read" {
  request "database" {
    path     = "/fullstats"
    contains = "\"files\":"
  }
}

usage "files" {
  from  = "http-json"
  path  = "/fullstats"
  field = "files"
}

# Signs cookies.
secret "cookie_key" {
  length = 64
  kind   = "rotatable"
}

value "title" {
  from = "association"
}

# Contact for abuse: the host.
value "contact" {
  from = "email"
}

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 768
  disk       = 5120
}

plan "standard" {
  cpu        = 400
  memory     = 384
  memory_max = 1024
  disk       = 40960
}

plan "large" {
  cpu        = 800
  memory     = 512
  memory_max = 2048
  disk       = 204800
}
