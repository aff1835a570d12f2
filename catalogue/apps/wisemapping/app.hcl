name   = "wisemapping"
kind   = "mindmaps"
status = "beta"

title {
  fr = "WiseMapping"
  en = "WiseMapping"
}

description {
  fr = "Faire des cartes mentales : relier des idées, les ranger, les partager et les modifier à plusieurs, puis les télécharger. Chaque personne a un compte, créé par votre association. La mention « powered by WiseMapping » reste sur chaque page."
  en = "Make mind maps: link ideas, arrange them, share them and change them together, then download them. Everyone has an account, created by your association. The words “powered by WiseMapping” stay on each page."
}

exception "credits" {
  fr = "La WiseMapping Public License 1.0 est Apache-2.0 avec une obligation : « powered by WiseMapping », avec un lien, sur chaque écran. Aucune liste de licences libres ne la contient."
  en = "WiseMapping Public License 1.0 is Apache-2.0 plus an obligation: “powered by WiseMapping”, with a link, on every screen. No list of free licences has it."
}

exception "name" {
  fr = "Personne ne peut enlever les mots « powered by WiseMapping », ni se servir du nom WiseMapping comme d’une marque."
  en = "Nobody may take the words “powered by WiseMapping” off, nor use the name WiseMapping as a trademark."
}

license    = "LicenseRef-WiseMapping-1.0"
charter_ok = false
upstream   = "https://github.com/wisemapping/wisemapping-open-source"
docs = [
  "https://github.com/wisemapping/wisemapping-open-source/tree/develop/distribution",
  "https://github.com/wisemapping/wisemapping-open-source/blob/develop/wise-api/src/main/resources/application.yml",
]
unverified = [
  "The image was not run: paths, settings and addresses were read in the sources of May 2026.",
  "The tag 6.0.9 was seen in a release note, not in a registry.",
]

tenancy   = "instance"
first_url = "/"
backup    = "dump"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]

version = "6.0.9"
tasks   = ["wisemapping"]
needs   = ["postgres", "smtp"]

postgres {
  version    = 15
  extensions = ["pgcrypto"] # hashes the administrator's password as WiseMapping expects
}

image "wisemapping" {
  reference = "docker.io/wisemapping/wisemapping:6.0.9"
}

# /health is answered by nginx; this one comes from the application.
health {
  path   = "/api/restful/app/config"
  status = 200
}

# The application stores it at its first start: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# The administrator, who sets a password with "forgotten password" and creates the accounts.
value "admin_email" {
  from = "email"
}

# Signs session tokens.
secret "jwt_secret" {
  length = 80
  kind   = "rotatable"
}

secret "oauth_secret" {
  length = 64
  kind   = "permanent"
}

check "write" {
  request "login" {
    method       = "POST"
    path         = "/api/restful/authenticate"
    content_type = "application/json"
    body         = "{\"email\": \"{admin_email}\", \"password\": \"{admin_password}\"}"
    capture "write_token" {
      pattern = "([A-Za-z0-9_.-]{40,})"
    }
  }
  request "create" {
    method       = "POST"
    path         = "/api/restful/maps?title={object}"
    content_type = "application/json"
    headers      = { "Authorization" = "Bearer {write_token}" }
    status       = 201
  }
}

check "read" {
  request "login" {
    method       = "POST"
    path         = "/api/restful/authenticate"
    content_type = "application/json"
    body         = "{\"email\": \"{admin_email}\", \"password\": \"{admin_password}\"}"
    capture "read_token" {
      pattern = "([A-Za-z0-9_.-]{40,})"
    }
  }
  request "maps" {
    path     = "/api/restful/maps/"
    headers  = { "Authorization" = "Bearer {read_token}" }
    contains = "{object}"
  }
}

# The account that the image creates at its first start signs in.
check "opening" {
  request "login" {
    method       = "POST"
    path         = "/api/restful/authenticate"
    content_type = "application/json"
    body         = "{\"email\": \"{admin_email}\", \"password\": \"{admin_password}\"}"
    capture "write_token" {
      pattern = "([A-Za-z0-9_.-]{40,})"
    }
  }
}

usage "accounts" {
  from  = "sql"
  query = "select count(*) from account where not suspended"
}

usage "maps" {
  from  = "sql"
  query = "select count(*) from mindmap"
}

# For signing in.
enforce {
  writes = ["/api/restful/authenticate"]
}

plan "starter" {
  cpu        = 400
  memory     = 896
  memory_max = 1536
  disk       = 1024
}

plan "standard" {
  cpu        = 600
  memory     = 1024
  memory_max = 2048
  disk       = 2048
}

plan "large" {
  cpu        = 1000
  memory     = 1536
  memory_max = 3072
  disk       = 5120
}
