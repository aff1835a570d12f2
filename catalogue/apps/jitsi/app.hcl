name      = "jitsi"
kind      = "meet"
status    = "beta"
preferred = true

title {
  fr = "Jitsi Meet"
  en = "Jitsi Meet"
}

description {
  fr = "Se réunir en vidéo depuis un navigateur, sans compte : vous inventez le nom d’un salon et envoyez son adresse. Partage d’écran, discussion écrite, salle d’attente et mot de passe. Rien n’est enregistré."
  en = "Meet by video in a browser, without an account: you make up the name of a room and send its address. Screen sharing, chat, waiting room and password. Nothing is recorded."
}

license    = "Apache-2.0"
charter_ok = true
upstream   = "https://github.com/jitsi/docker-jitsi-meet"
docs = [
  "https://github.com/jitsi/docker-jitsi-meet/blob/stable-11146-2/docker-compose.yml",
  "https://github.com/jitsi/docker-jitsi-meet/blob/stable-11146-2/jvb/rootfs/defaults/jvb.conf",
]
unverified = [
  "The images were not run: settings, ports and paths were read in the sources of stable-11146-2.",
  "Pictures and sound need UDP to the node on a port of Nomad's dynamic range: open the range in the firewall. Behind address translation, the address that the node knows is not the public one.",
]

tenancy   = "shared" # one video bridge serves all: rooms have no owners
first_url = "/"
backup    = "none" # meetings store nothing
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "volume"

egress       = "web" # sound and video go directly to the participants
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]

version = "11146.2" # upstream's tag is stable-11146-2
tasks   = ["web", "prosody", "jicofo", "jvb"]

# Copies of ghcr.io/jitsi/…:stable-11146-2, all four of the same day.
image "web" {
  reference = "jitsi-web:11146.2"
  build     = "https://github.com/jitsi/docker-jitsi-meet/tree/stable-11146-2/web"
}

image "prosody" {
  reference = "jitsi-prosody:11146.2"
  build     = "https://github.com/jitsi/docker-jitsi-meet/tree/stable-11146-2/prosody"
}

image "jicofo" {
  reference = "jitsi-jicofo:11146.2"
  build     = "https://github.com/jitsi/docker-jitsi-meet/tree/stable-11146-2/jicofo"
}

image "jvb" {
  reference = "jitsi-jvb:11146.2"
  build     = "https://github.com/jitsi/docker-jitsi-meet/tree/stable-11146-2/jvb"
}

health {
  path   = "/"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

secret "jicofo_password" {
  length = 32
  kind   = "rotatable"
}

secret "jvb_password" {
  length = 32
  kind   = "rotatable"
}

# Meetings do not persist: the check opens a room's page, and a session as browsers do.
check "read" {
  request "room" {
    path     = "/{object}"
    contains = "Jitsi"
  }
  request "session" {
    method       = "POST"
    path         = "/http-bind?room={object}"
    content_type = "text/xml; charset=utf-8"
    body         = "<body xmlns='http://jabber.org/protocol/httpbind' rid='1573741820' to='meet.jitsi' xml:lang='fr' wait='5' hold='1' ver='1.6' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>"
    contains     = "sid="
  }
}

usage "meetings" {
  from = "exec"
  task = "jvb"
  command = ["sh", "-c", <<-EOT
    curl -fsS http://127.0.0.1:8080/colibri/stats | grep -oE '"conferences":[0-9]+' | cut -d: -f2
  EOT
  ]
}

plan "starter" {
  cpu        = 1000
  memory     = 1536
  memory_max = 3072
  disk       = 256
}

plan "standard" {
  cpu        = 2000
  memory     = 2560
  memory_max = 5120
  disk       = 256
}

plan "large" {
  cpu        = 4000
  memory     = 4608
  memory_max = 9216
  disk       = 256
}
