name      = "send"
kind      = "drop"
status    = "beta"
preferred = true

title {
  fr = "Send"
  en = "Send"
}

description {
  fr = "Envoyer un fichier trop lourd pour un courriel : il est chiffré dans le navigateur, et le lien s’efface après quelques jours ou quelques téléchargements. Pas de compte."
  en = "Send a file too large for a mail: it is encrypted in the browser, and the link goes away after some days or downloads. No accounts."
}

license    = "MPL-2.0"
charter_ok = true
upstream   = "https://gitlab.com/timvisee/send"
docs = [
  "https://github.com/timvisee/send/blob/master/docs/docker.md",
  "https://github.com/timvisee/send/blob/master/server/config.js",
]
unverified = [
  "3.4.27 was tried on Node 18, built from its sources with one dependency replaced; the image, on Node 16, which its makers no longer mend, was not.",
  "Whether upload by /api/upload stays: pages use a WebSocket. A check sees that the file is known, not what is in it.",
]

tenancy   = "shared" # no accounts: nothing tells associations apart
first_url = "/"
backup    = "none" # everything is deleted within a week
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "3.4.27"
tasks   = ["send", "redis"]

health {
  path   = "/__heartbeat__"
  status = 200
}

# The user app of the image; Redis runs as the same user.
volume {
  uid = 1000
  gid = 1000
}

image "send" {
  reference = "registry.gitlab.com/timvisee/send:v3.4.27"
}

# Valkey, in place of Redis.
image "redis" {
  reference = "docker.io/valkey/valkey:8.1.10-alpine"
}

check "write" {
  request "upload" {
    method       = "POST"
    path         = "/api/upload"
    content_type = "application/octet-stream"
    headers      = { "X-File-Metadata" = "{object}", "Authorization" = "send-v1 {object}" }
    body         = "{object}"
    capture "file" {
      pattern = "\"id\":\"([0-9a-f]+)\""
    }
  }
}

check "read" {
  request "exists" {
    path = "/api/exists/{file}"
  }
}

usage "files" {
  from    = "files"
  pattern = "files/*"
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
