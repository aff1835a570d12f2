name   = "onlyoffice"
kind   = "office"
status = "beta"

title {
  fr = "ONLYOFFICE Docs"
  en = "ONLYOFFICE Docs"
}

description {
  fr = "Ouvrir et modifier à plusieurs les textes, tableaux et présentations rangés dans le nuage, au plus près de Word et d’Excel. Ce moteur sert tous les nuages de l’hébergeur."
  en = "Open and edit together the texts, spreadsheets and slides kept in the cloud, as close as possible to Word and Excel. This engine serves all clouds of the host."
}

exception "fonts" {
  fr = "L’image contient les polices de base de Microsoft (ttf-mscorefonts-installer), qui ne sont pas libres."
  en = "The image holds Microsoft’s core fonts (ttf-mscorefonts-installer), which are not free."
}

exception "clients" {
  fr = "L’image contient Oracle Instant Client et mssql-tools de Microsoft, qui ne sont pas libres et ne servent pas ici."
  en = "The image holds Oracle Instant Client and Microsoft’s mssql-tools, which are not free and not used here."
}

license    = "AGPL-3.0-only"
charter_ok = false
upstream   = "https://github.com/ONLYOFFICE/DocumentServer"
docs = [
  "https://github.com/ONLYOFFICE/Docker-DocumentServer",
  "https://api.onlyoffice.com/docs/docs-api/get-started/get-onlyoffice-docs",
]
unverified = [
  "The scripts were read at 9.2; those of 9.3 are said to work the same.",
  "Whether the community edition still stops at 20 open documents.",
  "One secret serves all clouds: a cloud that is not the platform's own must not get it.",
]

tenancy   = "shared"
first_url = "/healthcheck"
backup    = "none" # documents are stored in the clouds; its own data lasts hours
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "app-create" # opens no further documents

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]

version = "9.3.1.2"
tasks   = ["onlyoffice"]
needs   = ["postgres"]

health {
  path   = "/healthcheck"
  status = 200
}

# Starts as root, and gives its folders to its own user.
volume {
  uid = 0
  gid = 0
}

image "onlyoffice" {
  reference = "docker.io/onlyoffice/documentserver:9.3.1.2"
}

# The application's own check writes and reads its database, queue and files. A conversion needs a signed request:
# refusing an unsigned one (-8) proves that the converter runs and that strangers cannot use it.
check "write" {
  request "health" {
    path     = "/healthcheck"
    contains = "true"
  }
  request "unsigned" {
    method       = "POST"
    path         = "/converter"
    content_type = "application/json"
    headers      = { "Accept" = "application/json" }
    body         = "{\"async\": false, \"filetype\": \"txt\", \"outputtype\": \"docx\", \"key\": \"{object}\", \"url\": \"{url}/{object}.txt\"}"
    contains     = "-8"
  }
}

check "read" {
  request "health" {
    path     = "/healthcheck"
    contains = "true"
  }
  request "editors" {
    path     = "/web-apps/apps/api/documents/api.js"
    contains = "DocsAPI"
  }
}

# Clouds sign their requests with it.
secret "jwt_secret" {
  length = 48
  kind   = "rotatable"
}

# Signs URLs of files while they are edited.
secret "link_secret" {
  length = 48
  kind   = "rotatable"
}

plan "starter" {
  cpu        = 2000
  memory     = 3072
  memory_max = 4096
  disk       = 4096
}

plan "standard" {
  cpu        = 4000
  memory     = 4096
  memory_max = 8192
  disk       = 10240
}

plan "large" {
  cpu        = 8000
  memory     = 8192
  memory_max = 16384
  disk       = 20480
}
