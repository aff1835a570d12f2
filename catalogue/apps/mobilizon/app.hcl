name      = "mobilizon"
kind      = "events"
status    = "beta"
preferred = true

title {
  fr = "Mobilizon"
  en = "Mobilizon"
}

description {
  fr = "Annoncer des événements, s’y inscrire, et animer des groupes : discussions, ressources, actualités. Les événements se suivent aussi depuis les autres sites Mobilizon et depuis Mastodon."
  en = "Announce events, sign up for them, and run groups: discussions, resources, news. Events can also be followed from other Mobilizon sites and from Mastodon."
}

exception "maps" {
  fr = "Les navigateurs chargent des cartes d’openstreetmap.org, et les lieux sont cherchés sur nominatim.openstreetmap.org."
  en = "Browsers fetch maps from openstreetmap.org, and places are looked up at nominatim.openstreetmap.org."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://framagit.org/kaihuri/mobilizon"
docs = [
  "https://docs.mobilizon.org/",
  "https://framagit.org/kaihuri/mobilizon/-/tree/main/docker/production",
]
unverified = [
  "Checked against the sources of 5.1.3; those of 5.2.4 could not be read, only that its image is published and run by others.",
]

tenancy        = "instance" # with groups, associations could also share one instance
first_url      = "/login"
backup         = "dump+files"
upgrade        = "auto-on-start"
permanent_host = true # other sites address its groups and events by it
suspend        = "proxy"
quota          = "ingress"

egress = "web" # federation

version = "5.2.4"
tasks   = ["mobilizon"]
needs   = ["postgres", "smtp"]

postgres {
  version    = 13
  extensions = ["postgis", "pg_trgm", "unaccent"]
}

health {
  path   = "/.well-known/nodeinfo/2.1"
  status = 200
}

# user nobody, as in the image
volume {
  uid = 65534
  gid = 65534
}

image "mobilizon" {
  reference = "docker.io/kaihuri/mobilizon:5.2.4"
}

setup "administrator" {
  task    = "mobilizon"
  command = ["/bin/mobilizon", "rpc", "Code.eval_file(\"/local/administrator.exs\")"]
}

check "write" {
  request "sign-in" {
    method       = "POST"
    path         = "/api"
    content_type = "application/json"
    body         = "{\"query\": \"mutation { login(email: \\\"{admin_email}\\\", password: \\\"{admin_password}\\\") { accessToken } }\"}"
    capture "token" {
      pattern = "\"accessToken\":\"([^\"]+)\""
    }
  }
  request "profile" {
    method       = "POST"
    path         = "/api"
    content_type = "application/json"
    headers      = { "Authorization" = "Bearer {token}" }
    body         = "{\"query\": \"{ loggedUser { actors { id } } }\"}"
    capture "actor" {
      pattern = "\"id\":\"([0-9]+)\""
    }
  }
  request "event" {
    method       = "POST"
    path         = "/api"
    content_type = "application/json"
    headers      = { "Authorization" = "Bearer {token}" }
    body         = "{\"query\": \"mutation { createEvent(organizerActorId: {actor}, title: \\\"{object}\\\", description: \\\"{object}\\\", beginsOn: \\\"2099-01-01T10:00:00Z\\\", visibility: UNLISTED) { uuid } }\"}"
    capture "event" {
      pattern = "\"uuid\":\"([0-9a-f-]+)\""
    }
  }
}

check "read" {
  request "event" {
    method       = "POST"
    path         = "/api"
    content_type = "application/json"
    body         = "{\"query\": \"{ event(uuid: \\\"{event}\\\") { title } }\"}"
    contains     = "\"title\":\"{object}\""
  }
}

usage "accounts" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM users WHERE confirmed_at IS NOT NULL"
}

usage "events" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM events WHERE local AND NOT draft"
}

# Everything, including signing in, is a POST to /api: while read-only, people can read what is public.

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# Signs cookies.
secret "secret_key_base" {
  length = 64
  kind   = "rotatable"
}

# Signs the tokens of signed-in people.
secret "token_key" {
  length = 64
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

plan "starter" {
  cpu        = 300
  memory     = 512
  memory_max = 1024
  disk       = 1024
}

plan "standard" {
  cpu        = 500
  memory     = 768
  memory_max = 1536
  disk       = 5120
}

plan "large" {
  cpu        = 1000
  memory     = 1024
  memory_max = 2048
  disk       = 20480
}
