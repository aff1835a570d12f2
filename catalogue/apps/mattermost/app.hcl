name      = "mattermost"
kind      = "chat"
status    = "beta"
preferred = true

title {
  fr = "Mattermost"
  en = "Mattermost"
}

description {
  fr = "Discuter en équipe : des canaux par sujet, des messages privés, des fichiers et une recherche, dans le navigateur ou avec les applications. Les membres entrent par une invitation. C’est Mostlymatter, la version de Framasoft sans limite du nombre de comptes."
  en = "Talk as a team: channels by topic, private messages, files and search, in a browser or with the apps. Members join by invitation. This is Mostlymatter, Framasoft’s edition without a limit on the number of accounts."
}

exception "build" {
  fr = "Ce qui tourne est Mostlymatter, que Framasoft construit à partir des sources libres : les exécutables de Mattermost s’arrêtent à 250 personnes et ont d’autres conditions."
  en = "What runs is Mostlymatter, which Framasoft builds from the free sources: Mattermost’s own binaries stop at 250 people and carry other terms."
}

exception "sources" {
  fr = "AGPL-3.0 : l’hébergeur indique où se trouvent les sources de la version exacte qui tourne."
  en = "AGPL-3.0: the host says where the sources of the very version that runs are."
}

# The server is AGPL; its public packages and the web client are Apache-2.0.
license    = "AGPL-3.0-only AND Apache-2.0"
charter_ok = true
upstream   = "https://framagit.org/framasoft/framateam/mostlymatter"
docs = [
  "https://docs.mattermost.com/configure/environment-variables.html",
  "https://github.com/YunoHost-Apps/mattermost_ynh", # examples of putting Mostlymatter into the team edition
]
unverified = [
  "The image was not built or run. That Mostlymatter exists for 11.7.15 was not seen: packages of others use 11.7.0.",
  "The names of settings were not compared one by one with the list of 11.7.",
  "The setup step needs a shell and mmctl in the image.",
  "The connection to PostgreSQL is not encrypted (sslmode=disable): keep it on a network of the host.",
]

tenancy   = "instance" # a shared server would show each association the members of the others
first_url = "/"
backup    = "dump+files"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "11.7.15" # extended support release
tasks   = ["mattermost"]
needs   = ["postgres", "smtp"]

postgres {
  version = 14
}

image "mattermost" {
  reference = "mostlymatter:11.7.15"
  build     = "https://framagit.org/framasoft/framateam/mostlymatter"
}

health {
  path   = "/api/v4/system/ping"
  status = 200
}

volume {
  uid = 2000
  gid = 2000
}

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
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

# Creates the first account, the administrator's, and the association's team: only this setup can create either.
setup "admin" {
  task = "mattermost"
  command = ["sh", "-c", <<-EOT
    set -e
    mmctl --local user search frama | grep -q 'username: frama$' || mmctl --local user create --username frama \
      --email "$ADMIN_EMAIL" --password "$ADMIN_PASSWORD" --locale "$ADMIN_LOCALE" --system-admin --email-verified
    mmctl --local team list | grep -qx association || mmctl --local team create --name association \
      --display-name "$TEAM_NAME" --private
    mmctl --local team users add association frama
  EOT
  ]
}

check "write" {
  request "login" {
    method       = "POST"
    path         = "/api/v4/users/login"
    content_type = "application/json"
    headers      = { "X-Requested-With" = "XMLHttpRequest" }
    body         = "{\"login_id\": \"frama\", \"password\": \"{admin_password}\"}"
  }
  request "team" {
    path = "/api/v4/teams/name/association"
    capture "team" {
      pattern = "\"id\":\"([a-z0-9]{26})\""
    }
  }
  request "create" {
    method       = "POST"
    path         = "/api/v4/channels"
    content_type = "application/json"
    headers      = { "X-Requested-With" = "XMLHttpRequest" }
    body         = "{\"team_id\": \"{team}\", \"name\": \"essai-{object}\", \"display_name\": \"Essai {object}\", \"type\": \"P\"}"
    status       = 201
  }
}

check "read" {
  request "login" {
    method       = "POST"
    path         = "/api/v4/users/login"
    content_type = "application/json"
    headers      = { "X-Requested-With" = "XMLHttpRequest" }
    body         = "{\"login_id\": \"frama\", \"password\": \"{admin_password}\"}"
  }
  request "team" {
    path = "/api/v4/teams/name/association"
    capture "same_team" {
      pattern = "\"id\":\"([a-z0-9]{26})\""
    }
  }
  request "channel" {
    path     = "/api/v4/teams/{same_team}/channels/name/essai-{object}"
    contains = "Essai {object}"
  }
}

usage "accounts" {
  from  = "sql"
  query = "select count(*) from users where deleteat = 0 and id not in (select userid from bots)"
}

usage "messages" {
  from  = "sql"
  query = "select count(*) from posts where deleteat = 0"
}

# For signing in; the last two only look up authors of messages.
enforce {
  writes = ["/api/v4/users/login", "/api/v4/users/logout", "/api/v4/users/mfa", "/api/v4/users/password/reset", "/api/v4/users/ids", "/api/v4/users/status/ids"]
}

plan "starter" {
  cpu        = 300
  memory     = 512
  memory_max = 1536
  disk       = 5120
}

plan "standard" {
  cpu        = 500
  memory     = 768
  memory_max = 2048
  disk       = 20480
}

plan "large" {
  cpu        = 1000
  memory     = 1536
  memory_max = 4096
  disk       = 102400
}
