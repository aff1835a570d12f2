name      = "liberaforms"
kind      = "forms"
status    = "beta"
preferred = true

title {
  fr = "LiberaForms"
  en = "LiberaForms"
}

description {
  fr = "Des formulaires en ligne : inscriptions, enquêtes, commandes. La personne référente ouvre les comptes de ceux qui font des formulaires ; pour répondre, un lien suffit."
  en = "Forms online: registrations, surveys, orders. The contact person opens accounts for those who make forms; a link is enough to answer."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://codeberg.org/LiberaForms/server"

docs = [
  "https://docs.liberaforms.org",
  "https://codeberg.org/LiberaForms/server/src/tag/v4.10.0/docs/INSTALL.md",
  "https://github.com/YunoHost-Apps/liberaforms_ynh",
]
unverified = [
  "The sources of version 4 could not be had: settings come from YunoHost's package of 4.10.0, commands, tables and paths from version 2.",
  "The image of Containerfile was not built here.",
  "No trial object: what signing in and making a form ask for in version 4 is not known.",
  "The address to sign in (/user/login) is that of version 2.",
  "Whether later versions of the AGPL may be chosen: packages of others disagree.",
  "Whether SMTP's encryption is still written SSL or STARTTLS, and DB_PORT still read.",
]

tenancy   = "instance"
first_url = "/"
backup    = "dump+files"
upgrade   = "migrate-command" # a task of the job that runs before the others
suspend   = "proxy"
quota     = "app-instance" # TOTAL_UPLOADS_LIMIT

egress = "none"

version = "4.10.0"
tasks   = ["app", "web", "migrate"]
needs   = ["postgres", "smtp"]

health {
  path   = "/"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

image "app" {
  reference = "liberaforms:4.10.0"
  build     = "https://codeberg.org/LiberaForms/server/archive/v4.10.0.tar.gz"
}

image "web" {
  reference = "docker.io/library/nginx:1.30.5-alpine"
}

image "migrate" {
  reference = "liberaforms:4.10.0"
  build     = "https://codeberg.org/LiberaForms/server/archive/v4.10.0.tar.gz"
}

usage "accounts" {
  from  = "sql"
  query = "SELECT count(*) FROM users"
}

usage "forms" {
  from  = "sql"
  query = "SELECT count(*) FROM forms"
}

usage "answers" {
  from  = "sql"
  query = "SELECT count(*) FROM answers"
}

# TOTAL_UPLOADS_LIMIT limits uploads independently of frama. These paths are for signing in while the ingress refuses
# all else.
enforce {
  writes = ["/user/login"]
}

# Signs cookies.
secret "secret_key" {
  length = 64
  kind   = "permanent"
}

# Encrypts attachments and more, which are lost without it. A Fernet key: 32 bytes.
secret "crypto_key" {
  length = 32
  kind   = "permanent"
  format = "base64"
}

# A password reset for this address creates the administrator.
value "email" {
  from = "email"
}

value "language" {
  from = "language"
}

plan "starter" {
  cpu        = 200
  memory     = 384
  memory_max = 768
  disk       = 1024
}

plan "standard" {
  cpu        = 300
  memory     = 512
  memory_max = 1024
  disk       = 2048
}

plan "large" {
  cpu        = 500
  memory     = 768
  memory_max = 1536
  disk       = 10240
}
