name      = "peertube"
kind      = "videos"
status    = "beta"
preferred = true

title {
  fr = "PeerTube"
  en = "PeerTube"
}

description {
  fr = "Publier les vidéos de l’association sans passer par une plateforme publicitaire. Chaque personne a ses chaînes ; le site est relié à tous les autres PeerTube, d’où l’on peut s’abonner et commenter."
  en = "Publish the association’s videos without a platform that lives on advertising. Everyone has channels of their own; the site is linked to all other PeerTube sites, from which people can subscribe and comment."
}

license    = "AGPL-3.0-only"
charter_ok = true
upstream   = "https://github.com/Chocobozzz/PeerTube"
docs = [
  "https://github.com/Chocobozzz/PeerTube/tree/master/support/docker/production",
  "https://docs.joinpeertube.org/install/docker",
]
unverified = [
  "Upstream puts its own nginx in front; here the ingress speaks to PeerTube itself, which upstream's Traefik example did too.",
  "Versions that mask the secret of /api/v1/oauth-clients/local would fail the check at its second request.",
  "Live video (RTMP, port 1935) is not routed, and so stays switched off.",
]

tenancy        = "instance"
first_url      = "/login"
backup         = "dump+files"
upgrade        = "auto-on-start"
permanent_host = true # other sites address its accounts and videos by it
suspend        = "proxy"
quota          = "app-account"

egress = "web" # federation

version = "8.2.4"
tasks   = ["peertube", "redis"]
needs   = ["postgres", "smtp"] # its Redis client supports no user: the queue is a task of the job

postgres {
  version    = 13
  extensions = ["pg_trgm", "unaccent"]
}

health {
  path   = "/api/v1/ping"
  status = 200
}

# The user peertube of the image; the queue's task runs as the same user.
volume {
  uid = 999
  gid = 999
}

image "peertube" {
  reference = "docker.io/chocobozzz/peertube:v8.2.4"
}

# Valkey, in place of Redis.
image "redis" {
  reference = "docker.io/valkey/valkey:8.1.10-alpine"
}

# Creates a channel, since a video is not text. Each account can have 20.
check "write" {
  request "client" {
    path = "/api/v1/oauth-clients/local"
    capture "client_id" {
      pattern = "\"client_id\":\"([^\"]+)\""
    }
    capture "client_secret" {
      pattern = "\"client_secret\":\"([^\"]+)\""
    }
  }
  request "sign-in" {
    method       = "POST"
    path         = "/api/v1/users/token"
    content_type = "application/x-www-form-urlencoded"
    body         = "client_id={client_id}&client_secret={client_secret}&grant_type=password&response_type=code&username=root&password={admin_password}"
    capture "token" {
      pattern = "\"access_token\":\"([^\"]+)\""
    }
  }
  request "channel" {
    method       = "POST"
    path         = "/api/v1/video-channels"
    content_type = "application/json"
    headers      = { "Authorization" = "Bearer {token}" }
    body         = "{\"name\": \"c{object}\", \"displayName\": \"{object}\"}"
  }
}

check "read" {
  request "channel" {
    path     = "/api/v1/video-channels/c{object}"
    contains = "\"displayName\":\"{object}\""
  }
}

# The account that the image creates at its first start signs in.
check "opening" {
  request "client" {
    path = "/api/v1/oauth-clients/local"
    capture "client_id" {
      pattern = "\"client_id\":\"([^\"]+)\""
    }
    capture "client_secret" {
      pattern = "\"client_secret\":\"([^\"]+)\""
    }
  }

  request "sign-in" {
    method       = "POST"
    path         = "/api/v1/users/token"
    content_type = "application/x-www-form-urlencoded"
    body         = "client_id={client_id}&client_secret={client_secret}&grant_type=password&response_type=code&username=root&password={admin_password}"
    capture "token" {
      pattern = "\"access_token\":\"([^\"]+)\""
    }
  }
}

usage "accounts" {
  from  = "http-json"
  path  = "/api/v1/server/stats"
  field = "totalUsers"
}

usage "videos" {
  from  = "http-json"
  path  = "/api/v1/server/stats"
  field = "totalLocalVideos"
}

usage "bytes" {
  from  = "http-json"
  path  = "/api/v1/server/stats"
  field = "totalLocalVideoFilesSize"
}

# Password of the user "root". The application stores it at its first start: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# Encrypts two-factor codes in the database.
secret "secret_key" {
  length = 32
  format = "hex"
  kind   = "permanent"
}

value "title" {
  from = "association"
}

value "admin_email" {
  from = "email"
}

# For signing in.
enforce {
  writes = ["/api/v1/users/token", "/api/v1/users/revoke-token", "/api/v1/users/ask-reset-password"]
}

plan "starter" {
  cpu        = 1000
  memory     = 1024
  memory_max = 2048
  disk       = 4096
}

plan "standard" {
  cpu        = 2000
  memory     = 1536
  memory_max = 4096
  disk       = 30720
}

plan "large" {
  cpu        = 4000
  memory     = 2048
  memory_max = 6144
  disk       = 153600
}
