name      = "etherpad"
kind      = "pads"
status    = "stable"
preferred = true

title {
  fr = "Etherpad"
  en = "Etherpad"
}

description {
  fr = "Écrire un texte à plusieurs, en même temps, depuis un navigateur. Pas de compte : qui connaît l’adresse d’un pad peut y écrire. Chaque version est gardée."
  en = "Write a text together, at the same time, in a browser. No accounts: whoever knows a pad’s address can write in it. Every version is kept."
}

license    = "Apache-2.0"
charter_ok = true
upstream   = "https://github.com/ether/etherpad"

docs = [
  "https://github.com/ether/etherpad/blob/v3.3.1/doc/docker.md",
  "https://github.com/ether/etherpad/blob/v3.3.1/doc/api/http_api.md",
  "https://github.com/ether/etherpad/blob/v3.3.1/settings.json.docker",
]
unverified = [
  "Upstream's image was not pulled here: its settings, options and API were read in the sources of 3.3.1; the job runs with 1.8.14 (deploy/images/etherpad).",
]

tenancy   = "instance" # one flat list of pads, and a pad's address gives the right to edit it
first_url = "/"
backup    = "dump" # everything is in one table; the keys below are in frama's backup
upgrade   = "auto-on-start"
suspend   = "proxy"      # no built-in mode closes a whole instance
quota     = "app-create" # EDIT_ONLY: only the API creates pads

egress = "none"

version = "3.3.1"
tasks   = ["etherpad"]
needs   = ["postgres"] # upstream's file database is not for production

health {
  path   = "/health"
  status = 200
}

volume {
  uid = 5001
  gid = 0
}

image "etherpad" {
  reference = "docker.io/etherpad/etherpad:3.3.1"
}

# The API answers 200 to every call it understands; the JSON field code has the result. 1.8.14 and 3.x support API
# 1.2.15.
check "write" {
  request "pad" {
    method       = "POST"
    path         = "/api/1.2.15/createPad"
    content_type = "application/x-www-form-urlencoded"
    body         = "apikey={api_key}&padID={object}&text={object}"
    contains     = "\"code\":0"
  }
}

check "read" {
  request "text" {
    method       = "POST"
    path         = "/api/1.2.15/getText"
    content_type = "application/x-www-form-urlencoded"
    body         = "apikey={api_key}&padID={object}"
    contains     = "\"text\":\"{object}"
  }
  request "page" {
    path     = "/p/{object}"
    contains = "editorcontainer"
  }
}

# The API key is accepted, and the database answers.
check "opening" {
  request "pads" {
    method       = "POST"
    path         = "/api/1.2.1/listAllPads"
    content_type = "application/x-www-form-urlencoded"
    body         = "apikey={api_key}"
    contains     = "\"code\":0"
  }
}

# A pad is one record under this key, plus records under longer keys.
usage "pads" {
  from  = "sql"
  query = "SELECT count(*) FROM store WHERE key ~ '^pad:[^:]+$'"
}

# No new pads; existing pads can be read and edited. Etherpad reads the setting at its start.
enforce {
  setting = "edit_only"
}

retain "pads" {
  list {
    method       = "POST"
    path         = "/api/1.2.15/listAllPads"
    content_type = "application/x-www-form-urlencoded"
    body         = "apikey={api_key}"
    contains     = "\"code\":0"
  }
  names = "data.padIDs"
  changed {
    method       = "POST"
    path         = "/api/1.2.15/getLastEdited"
    content_type = "application/x-www-form-urlencoded"
    body         = "apikey={api_key}&padID={object}"
    contains     = "\"code\":0"
  }
  changed_at = "data.lastEdited"
  export {
    path = "/p/{object}/export/txt"
  }
  export_as = "txt"
  remove {
    method       = "POST"
    path         = "/api/1.2.15/deletePad"
    content_type = "application/x-www-form-urlencoded"
    body         = "apikey={api_key}&padID={object}"
    contains     = "\"code\":0"
  }
}

secret "admin_password" {
  length = 32
  kind   = "rotatable"
}

# APIKEY.txt: frama counts and exports pads with it.
secret "api_key" {
  length = 64
  kind   = "permanent"
}

# SESSIONKEY.txt: signs cookies; a new one signs every author out.
secret "session_key" {
  length = 64
  kind   = "permanent"
}

# OAuth clients of Etherpad's sign-in service, which would have default secrets.
secret "admin_client_secret" {
  length = 32
  kind   = "rotatable"
}

secret "user_client_secret" {
  length = 32
  kind   = "rotatable"
}

value "title" {
  from = "association"
}

value "language" {
  from = "language"
}

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 768
  disk       = 1024
}

plan "standard" {
  cpu        = 300
  memory     = 384
  memory_max = 1024
  disk       = 2048
}

plan "large" {
  cpu        = 500
  memory     = 512
  memory_max = 1536
  disk       = 10240
}
