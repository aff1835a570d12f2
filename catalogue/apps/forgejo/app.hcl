name      = "forgejo"
kind      = "git"
status    = "beta"
preferred = true

title {
  fr = "Forgejo"
  en = "Forgejo"
}

description {
  fr = "Garder le code et les textes d’un projet avec toutes leurs versions, signaler des problèmes, proposer et relire des changements. Les comptes sont créés par votre association."
  en = "Keep a project’s code and texts with all their versions, report problems, propose and review changes. Your association creates the accounts."
}

license    = "GPL-3.0-or-later"
charter_ok = true
upstream   = "https://codeberg.org/forgejo/forgejo"
docs       = ["https://forgejo.org/docs/latest/admin/quota"]
unverified = [
  "The image was not run: the paths inside the rootless image were read in an older copy of its Dockerfile.",
  "The names of settings were not compared one by one with the list of version 15.",
  "Where the quota of every account is set (section quota.default) was not tried.",
]

tenancy   = "instance" # administrators see every account and every private repository
first_url = "/"
backup    = "quiesce+dump+files" # a repository that changes during the copy can be corrupt in it
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "app-account"

egress = "web" # mirrors of other forges, webhooks

version = "15.0.9" # long-term support
tasks   = ["forgejo"]
needs   = ["postgres", "smtp"]

postgres {
  version = 12
}

image "forgejo" {
  reference = "codeberg.org/forgejo/forgejo:15.0.9-rootless"
}

health {
  path   = "/api/healthz"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# Encrypts two-factor keys and the credentials of mirrors and webhooks.
secret "secret_key" {
  length = 64
  kind   = "permanent"
}

# Git hooks authenticate to the server with it.
secret "internal_token" {
  length = 96
  kind   = "rotatable"
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

# The password is in the container's environment; the command's arguments only name the variable.
setup "admin" {
  task = "forgejo"
  command = ["sh", "-c", <<-EOT
    forgejo admin user list | grep -qw frama || forgejo admin user create --admin --username frama \
      --email "$ADMIN_EMAIL" --password "$ADMIN_PASSWORD" --must-change-password=false
  EOT
  ]
}

check "write" {
  request "create" {
    method         = "POST"
    path           = "/api/v1/user/repos"
    basic_user     = "frama"
    basic_password = "{admin_password}"
    content_type   = "application/json"
    body           = "{\"name\": \"essai-{object}\", \"private\": true, \"auto_init\": true}"
    status         = 201
  }
}

check "read" {
  request "file" {
    path           = "/api/v1/repos/frama/essai-{object}/contents/README.md"
    basic_user     = "frama"
    basic_password = "{admin_password}"
    contains       = "README.md"
  }
}

usage "accounts" {
  from  = "sql"
  query = "select count(*) from \"user\" where type = 0 and is_active"
}

usage "repositories" {
  from  = "sql"
  query = "select count(*) from repository"
}

# Puts every account over its quota: cloning, deleting and signing in still work, pushes and uploads do not.
enforce {
  setting = "quota_stopped"
  writes  = ["/user/login", "/user/two_factor"] # if the command fails
}

plan "starter" {
  cpu        = 300
  memory     = 384
  memory_max = 1024
  disk       = 5120
}

plan "standard" {
  cpu        = 400
  memory     = 512
  memory_max = 1536
  disk       = 20480
}

plan "large" {
  cpu        = 800
  memory     = 1024
  memory_max = 3072
  disk       = 102400
}
