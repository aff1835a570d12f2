name      = "loomio"
kind      = "decisions"
status    = "beta"
preferred = true

title {
  fr = "Loomio"
  en = "Loomio"
}

description {
  fr = "Discuter et décider en groupe, sans réunion : un sujet, des propositions, des votes de plusieurs sortes et une conclusion que tout le monde retrouve. On entre dans un groupe par invitation, et l’on reçoit ce qui se passe par courriel."
  en = "Discuss and decide as a group, without a meeting: a topic, proposals, votes of several kinds and an outcome that everybody finds again. People join a group by invitation and get the news by mail."
}

license    = "AGPL-3.0-only"
charter_ok = true
upstream   = "https://github.com/loomio/loomio"
docs = [
  "https://github.com/loomio/loomio/tree/master/deploy",
  "https://github.com/loomio/loomio/blob/master/hocuspocus/server.mjs",
]
unverified = [
  "The image was not run. Its tag follows the form of upstream's deploy files (3.1); that 3.9.0 exists was read in release notes of others.",
  "The path /hocuspocus on Loomio's own host name: upstream gives that part a host name of its own.",
  "The user inside the image and the fields of a user in 3.9 (is_admin, api_key).",
  "Answers by mail need the task haraka and an MX record; they are left out.",
]

tenancy   = "instance"
first_url = "/"
backup    = "dump+files"
upgrade   = "migrate-command" # at each start; very old versions need intermediate steps
suspend   = "proxy"
quota     = "ingress"

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]

version = "3.9.0"
tasks   = ["app", "worker", "hocuspocus", "redis", "proxy"]
needs   = ["postgres", "smtp"] # Redis is a task of the job: a cache that Loomio cannot prefix

postgres {
  version    = 17
  extensions = ["citext", "hstore", "pgcrypto", "pg_stat_statements"]
}

image "app" {
  reference = "docker.io/loomio/loomio:3.9.0"
}

image "worker" {
  reference = "docker.io/loomio/loomio:3.9.0"
}

image "hocuspocus" {
  reference = "docker.io/loomio/loomio:3.9.0"
}

# Valkey, in place of Redis.
image "redis" {
  reference = "docker.io/valkey/valkey:8.1.10-alpine"
}

image "proxy" {
  reference = "docker.io/library/nginx:1.30.5-alpine"
}

health {
  path   = "/"
  status = 200
}

volume {
  uid = 0
  gid = 0
}

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

secret "api_key" {
  length = 40
  kind   = "permanent"
}

secret "devise_secret" {
  length = 32
  kind   = "permanent"
  format = "hex"
}

secret "cookie_token" {
  length = 32
  kind   = "permanent"
  format = "hex"
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

setup "admin" {
  task    = "app"
  command = ["bundle", "exec", "rails", "runner", "/local/admin.rb"]
}

check "write" {
  request "discussion" {
    method       = "POST"
    path         = "/api/b2/discussions"
    content_type = "application/json"
    body         = "{\"api_key\": \"{api_key}\", \"title\": \"{object}\", \"description\": \"{object}\", \"description_format\": \"md\", \"private\": true}"
    contains     = "{object}"
    capture "discussion" {
      pattern = "\"discussions\":\\[\\{[^}]*?\"id\":([0-9]+)"
    }
  }
}

check "read" {
  request "discussion" {
    path     = "/api/b2/discussions/{discussion}?api_key={api_key}"
    contains = "{object}"
  }
}

usage "accounts" {
  from  = "sql"
  query = "select count(*) from users where email_verified and deactivated_at is null"
}

usage "polls" {
  from  = "sql"
  query = "select count(*) from polls where discarded_at is null"
}

# For signing in.
enforce {
  writes = ["/api/v1/sessions", "/api/v1/login_tokens", "/login_tokens/"]
}

plan "starter" {
  cpu        = 500
  memory     = 1280
  memory_max = 2560
  disk       = 5120
}

plan "standard" {
  cpu        = 800
  memory     = 1536
  memory_max = 3584
  disk       = 20480
}

plan "large" {
  cpu        = 1600
  memory     = 3072
  memory_max = 6144
  disk       = 61440
}
