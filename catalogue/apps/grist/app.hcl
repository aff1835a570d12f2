name   = "grist"
kind   = "calcs"
status = "beta" # without single sign-on only the contact has an account; all others work by links

title {
  fr = "Grist"
  en = "Grist"
}

description {
  fr = "Des tableaux liés entre eux, comme une petite base de données : adhésions, stocks, permanences. La personne référente les crée avec la clé de l’association, et donne aux autres un lien pour lire ou modifier."
  en = "Tables linked to one another, like a small database: members, stocks, rotas. The contact person makes them with the association’s key, and gives others a link to read or change them."
}

license    = "Apache-2.0"
charter_ok = true
upstream   = "https://github.com/gristlabs/grist-core"

docs = [
  "https://github.com/gristlabs/grist-core/blob/v1.7.17/README.md",
  "https://support.getgrist.com/self-managed/",
  "https://support.getgrist.com/api/",
]
unverified = [
  "The number of the image's user (1001) follows from its Dockerfile; the image was not started.",
  "The sandbox gvisor under Nomad's docker driver: upstream says that it works with Docker's own settings, but not everywhere; Grist refuses to start without it.",
  "Grist prints the key in its log at each start; nothing in its documentation turns that off.",
  "Sign-in by the key alone, through the login path of forwarded headers, was read in the sources of 1.7.17, not tried.",
]

tenancy   = "instance"
first_url = "/"
backup    = "stop+files" # SQLite files, including the list of documents
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress" # its own limits depend on its product plans, not on bytes

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", "SYS_CHROOT"]

version = "1.7.17"
tasks   = ["grist"]

health {
  path   = "/status?db=1&ready=1"
  status = 200
}

volume {
  uid = 1001
  gid = 1001
}

# The oss image contains only the free part; gristlabs/grist also contains non-free code.
image "grist" {
  reference = "docker.io/gristlabs/grist-oss:1.7.17"
}

# Creates a document with a table and a row; the second and third request start the sandbox.
check "write" {
  request "workspaces" {
    path    = "/api/orgs/current/workspaces"
    headers = { "X-Boot-Key" = "{boot_key}" }
    capture "workspace" {
      pattern = "\"id\":([0-9]+)"
    }
  }
  request "document" {
    method       = "POST"
    path         = "/api/workspaces/{workspace}/docs"
    headers      = { "X-Boot-Key" = "{boot_key}" }
    content_type = "application/json"
    body         = "{\"name\":\"{object}\"}"
    capture "document" {
      pattern = "\"([A-Za-z0-9]+)\""
    }
  }
  request "table" {
    method       = "POST"
    path         = "/api/docs/{document}/tables"
    headers      = { "X-Boot-Key" = "{boot_key}" }
    content_type = "application/json"
    body         = "{\"tables\":[{\"id\":\"Trial\",\"columns\":[{\"id\":\"word\"}]}]}"
    contains     = "Trial"
  }
  request "row" {
    method       = "POST"
    path         = "/api/docs/{document}/tables/Trial/records"
    headers      = { "X-Boot-Key" = "{boot_key}" }
    content_type = "application/json"
    body         = "{\"records\":[{\"fields\":{\"word\":\"{object}\"}}]}"
  }
}

check "read" {
  request "rows" {
    path     = "/api/docs/{document}/tables/Trial/records"
    headers  = { "X-Boot-Key" = "{boot_key}" }
    contains = "{object}"
  }
}

# The database exists, and the first account's key is accepted.
check "opening" {
  request "workspaces" {
    path    = "/api/orgs/current/workspaces"
    headers = { "X-Boot-Key" = "{boot_key}" }
    capture "workspace" {
      pattern = "\"id\":([0-9]+)"
    }
  }
}

usage "documents" {
  from    = "files"
  pattern = "docs/*.grist"
}

# The contact signs in with it, at /boot.
secret "boot_key" {
  length = 32
  kind   = "rotatable"
}

# Signs cookies: a new one signs everybody out.
secret "session_secret" {
  length = 64
  kind   = "permanent"
}

# An unguessable part of a header's name: see the job.
secret "header" {
  length = 16
  kind   = "rotatable"
  format = "hex"
}

value "email" {
  from = "email"
}

value "title" {
  from = "association"
}

value "language" {
  from = "language"
}

plan "starter" {
  cpu        = 300
  memory     = 512
  memory_max = 1536
  disk       = 1024
}

plan "standard" {
  cpu        = 500
  memory     = 768
  memory_max = 2048
  disk       = 2048
}

plan "large" {
  cpu        = 1000
  memory     = 1024
  memory_max = 4096
  disk       = 10240
}
