name      = "mastodon"
kind      = "social"
status    = "beta"
preferred = true

title {
  fr = "Mastodon"
  en = "Mastodon"
}

description {
  fr = "Publier des nouvelles et discuter avec tout le Fédivers, depuis le serveur de votre association. Les inscriptions sont fermées au départ : vous invitez qui vous voulez. L’adresse choisie est définitive."
  en = "Publish news and talk with the whole Fediverse, from your association’s own server. Registration is closed at first: you invite whom you like. The address you choose is for ever."
}

exception "federation" {
  fr = "Messages et profils sont par nature copiés sur d’autres serveurs : on peut seulement demander qu’ils y soient effacés."
  en = "Posts and profiles are copied to other servers by nature: that they are deleted there can only be asked for."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://github.com/mastodon/mastodon"
docs = [
  "https://github.com/mastodon/mastodon/blob/main/.env.production.sample",
  "https://github.com/mastodon/mastodon/blob/main/docker-compose.yml",
  "https://github.com/mastodon/mastodon/blob/main/dist/nginx.conf",
  "https://github.com/mastodon/mastodon/blob/main/app/models/user.rb",
]
unverified = [
  "The images were not run. The version comes from the notes of October 2026; the settings were read in sources and documents of 4.3 to 4.7.",
  "The first step writes a user and a token with Mastodon's own models, as upstream's setup does: their names may differ in 4.7.",
]

tenancy        = "instance"
first_url      = "/"
backup         = "dump+files"      # the volume holds media, queues and the keys of Web Push
upgrade        = "migrate-command" # at each start, before the first page
permanent_host = true              # other servers address every account by it
suspend        = "proxy"
quota          = "ingress"

egress       = "web" # federation
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]

version = "4.7.4"
tasks   = ["web", "sidekiq", "streaming", "redis", "proxy"]
needs   = ["postgres", "smtp"] # Redis is a task of the job: its queues must persist, and Mastodon cannot prefix its keys

postgres {
  version = 14
}

image "web" {
  reference = "ghcr.io/mastodon/mastodon:v4.7.4"
}

image "sidekiq" {
  reference = "ghcr.io/mastodon/mastodon:v4.7.4"
}

image "streaming" {
  reference = "ghcr.io/mastodon/mastodon-streaming:v4.7.4"
}

# Valkey, in place of Redis.
image "redis" {
  reference = "docker.io/valkey/valkey:8.1.10-alpine"
}

image "proxy" {
  reference = "docker.io/library/nginx:1.30.5-alpine"
}

health {
  path   = "/health"
  status = 200
}

volume {
  uid = 991
  gid = 991
}

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# frama writes and reads a post with it, to check the instance. It is also in the database.
secret "api_token" {
  length = 64
  kind   = "permanent"
}

secret "secret_key_base" {
  length = 64
  kind   = "permanent"
  format = "hex"
}

secret "encryption_primary_key" {
  length = 32
  kind   = "permanent"
}

secret "encryption_deterministic_key" {
  length = 32
  kind   = "permanent"
}

secret "encryption_salt" {
  length = 32
  kind   = "permanent"
}

value "title" {
  from = "association"
}

value "admin_email" {
  from = "email"
}

value "language" {
  from = "language"
}

setup "owner" {
  task    = "web"
  command = ["bash", "-c", "set -a; . /data/vapid.env; exec bundle exec rails runner /local/owner.rb"]
}

check "write" {
  request "post" {
    method       = "POST"
    path         = "/api/v1/statuses"
    content_type = "application/json"
    headers      = { "Authorization" = "Bearer {api_token}" }
    body         = "{\"status\": \"{object}\", \"visibility\": \"direct\"}"
    contains     = "{object}"
    capture "post" {
      pattern = "^\\{\"id\":\"([0-9]+)\""
    }
  }
}

check "read" {
  request "post" {
    path     = "/api/v1/statuses/{post}"
    headers  = { "Authorization" = "Bearer {api_token}" }
    contains = "{object}"
  }
}

usage "accounts" {
  from  = "sql"
  query = "select count(*) from users where approved and not disabled and confirmed_at is not null"
}

usage "posts" {
  from  = "sql"
  query = "select count(*) from statuses where local and deleted_at is null"
}

# For signing in, from browsers and phones, and for requesting an archive of one's posts.
enforce {
  writes = ["/auth/", "/oauth/", "/settings/export"]
}

plan "starter" {
  cpu        = 800
  memory     = 1536
  memory_max = 3584
  disk       = 4096
}

plan "standard" {
  cpu        = 1200
  memory     = 2048
  memory_max = 5120
  disk       = 30720
}

plan "large" {
  cpu        = 2400
  memory     = 4096
  memory_max = 8192
  disk       = 153600
}
