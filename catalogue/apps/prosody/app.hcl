name   = "prosody"
kind   = "chat"
status = "beta"

title {
  fr = "Prosody"
  en = "Prosody"
}

description {
  fr = "Se parler par écrit, à deux ou dans des salons, depuis un navigateur (Converse). L’administration ouvre les comptes. Les messages ne sortent pas de l’association."
  en = "Chat in twos or in rooms, from a browser (Converse). The administrator makes accounts. Messages do not leave the association."
}

license    = "MIT"
charter_ok = true
upstream   = "https://prosody.im/source"
docs = [
  "https://prosody.im/doc/configure",
  "https://prosody.im/doc/http",
  "https://conversejs.org/docs/html/configuration.html",
]
unverified = ["Programs for XMPP other than the page were not tried: they would have to know the address of the WebSocket."]

tenancy   = "instance"
first_url = "/"
backup    = "stop+files" # accounts, rooms and messages are text files
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress = "none"

permanent_host = true # addresses of accounts and rooms contain it

version = "0.12.3"
tasks   = ["prosody"]

health {
  path   = "/"
  status = 200
}

# The user prosody of the image
volume {
  uid = 1000
  gid = 1000
}

image "prosody" {
  reference = "prosody:0.12.3"
  build     = "https://packages.debian.org/bookworm/prosody"
}

# Uses an HTTP endpoint of the job: messages go by WebSocket, which checks do not speak.
check "write" {
  request "page" {
    path     = "/"
    contains = "/converse.min.js"
  }
  request "program of the page" {
    path     = "/converse/converse.min.js"
    contains = "converse"
  }
  request "message" {
    method         = "POST"
    path           = "/frama/messages"
    basic_user     = "admin"
    basic_password = "{admin_password}"
    content_type   = "text/plain"
    body           = "{object}"
    status         = 201
  }
  request "not for everybody" {
    path   = "/frama/messages"
    status = 401
  }
}

check "read" {
  request "messages" {
    path           = "/frama/messages"
    basic_user     = "admin"
    basic_password = "{admin_password}"
    contains       = "{object}"
  }
}

usage "accounts" {
  from    = "files"
  pattern = "*/accounts/*.dat"
}

# Password of the user "admin". The application stores it at its first start: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

value "language" {
  from = "language"
}

value "title" {
  from = "association"
}

plan "starter" {
  cpu        = 50
  memory     = 64
  memory_max = 256
  disk       = 1024
}

plan "standard" {
  cpu        = 100
  memory     = 96
  memory_max = 384
  disk       = 4096
}

plan "large" {
  cpu        = 300
  memory     = 192
  memory_max = 768
  disk       = 16384
}
