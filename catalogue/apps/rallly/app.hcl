name   = "rallly"
kind   = "polls"
status = "beta" # upstream requires a paid key from the second account on

title {
  fr = "Rallly"
  en = "Rallly"
}

description {
  fr = "Trouver une date qui convient à tout le monde. La personne référente crée les sondages ; pour répondre, un lien suffit, sans compte."
  en = "Find a date that suits everybody. The contact person makes the polls; a link is enough to answer, without an account."
}

exception "key" {
  fr = "L’éditeur demande une clé payante dès qu’une deuxième personne a un compte, sans rien bloquer ; ici, une seule en a un."
  en = "Upstream asks for a paid licence key as soon as a second person has an account, without blocking anything; here only one has."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://github.com/lukevella/rallly"

docs = [
  "https://support.rallly.co/self-hosting/configuration",
  "https://support.rallly.co/self-hosting/licensing",
  "https://support.rallly.co/self-hosting/control-panel",
]
unverified = [
  "No trial object: an account signs in by a code in an e-mail, so nothing can be written over HTTP alone.",
  "Nobody calls its pages of housekeeping (closing and deleting old polls): upstream documents them for its own cloud only.",
  "The licence file says AGPL-3.0; whether later versions are meant was not checked.",
]

tenancy   = "instance"
first_url = "/"
backup    = "dump" # images would need a bucket, which this entry does without
upgrade   = "auto-on-start"
suspend   = "app-maintenance" # MAINTENANCE_MODE
quota     = "ingress"

egress = "none"

version = "4.12.3"
tasks   = ["rallly"]
needs   = ["postgres", "smtp"]

postgres {
  version = 14
}

health {
  path   = "/api/status"
  status = 200
}

image "rallly" {
  reference = "docker.io/lukevella/rallly:4.12.3"
}

usage "accounts" {
  from  = "sql"
  query = "SELECT count(*) FROM users"
}

usage "polls" {
  from  = "sql"
  query = "SELECT count(*) FROM polls WHERE NOT deleted"
}

usage "answers" {
  from  = "sql"
  query = "SELECT count(*) FROM participants"
}

# Encrypts sessions and links in mails.
secret "secret_password" {
  length = 48
  kind   = "permanent"
}

value "email" {
  from = "email"
}

value "title" {
  from = "association"
}

# For signing in.
enforce {
  writes = ["/api/auth/"]
}

plan "starter" {
  cpu        = 200
  memory     = 384
  memory_max = 768
  disk       = 256
}

plan "standard" {
  cpu        = 300
  memory     = 512
  memory_max = 1024
  disk       = 512
}

plan "large" {
  cpu        = 500
  memory     = 768
  memory_max = 1536
  disk       = 1024
}
