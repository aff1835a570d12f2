# Not a form builder: it stores the answers of a single form.
name   = "pocketbase"
kind   = "forms"
status = "demo"

title {
  fr = "PocketBase"
  en = "PocketBase"
}

description {
  fr = "Recueillir les réponses à un formulaire. Tout le monde peut répondre, sans compte ; seule la personne qui administre lit les réponses."
  en = "Collect the answers to a form. Everybody can answer, without an account; only the administrator reads the answers."
}

license    = "MIT"
charter_ok = true
upstream   = "https://github.com/pocketbase/pocketbase"
docs       = ["https://pocketbase.io/docs/js-migrations/", "https://pocketbase.io/docs/js-event-hooks/", "https://pocketbase.io/docs/api-records/"]

tenancy   = "instance"
first_url = "/"          # the form; the answers are read at /_/
backup    = "stop+files" # SQLite files, inconsistent in a live copy
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "0.38.0"
tasks   = ["pocketbase"]

# The user nobody of the image
volume {
  uid = 65534
  gid = 65534
}

image "pocketbase" {
  reference = "pocketbase:0.38.0"
  build     = "https://github.com/pocketbase/pocketbase"
}

health {
  path   = "/api/health"
  status = 200
}

check "write" {
  request "answer" {
    method       = "POST"
    path         = "/api/collections/answers/records"
    content_type = "application/json"
    body         = "{\"form\": \"essai\", \"answer\": \"{object}\"}"
  }

  # People who answer must not be able to read other answers.
  request "list without signing in" {
    path   = "/api/collections/answers/records"
    status = 403
  }
}

check "read" {
  request "sign in" {
    method       = "POST"
    path         = "/api/collections/_superusers/auth-with-password"
    content_type = "application/json"
    body         = "{\"identity\": \"{admin_email}\", \"password\": \"{admin_password}\"}"

    capture "token" {
      pattern = "\"token\":\"([^\"]+)\""
    }
  }

  request "find the answer" {
    path     = "/api/collections/answers/records?filter=%28answer%3D%22{object}%22%29"
    headers  = { "Authorization" = "{token}" }
    contains = "\"answer\":\"{object}\""
  }
}

usage "answers" {
  from  = "http-json"
  path  = "/api/frama/usage?key={usage_key}"
  field = "answers"
}

# The administrator signs in, to read and delete answers.
enforce {
  writes = ["/api/collections/_superusers/auth-"]
}

# Set again at each start.
secret "admin_password" {
  length = 32
  kind   = "rotatable"
}

# With it, anybody can read the number of answers.
secret "usage_key" {
  length = 32
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
  cpu        = 50
  memory     = 64
  memory_max = 256
  disk       = 512
}

plan "standard" {
  cpu        = 100
  memory     = 96
  memory_max = 384
  disk       = 2048
}

plan "large" {
  cpu        = 200
  memory     = 128
  memory_max = 512
  disk       = 10240
}
