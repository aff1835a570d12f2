name      = "meshcentral"
kind      = "devices"
status    = "beta"
preferred = true

title {
  fr = "MeshCentral"
  en = "MeshCentral"
}

description {
  fr = "S’occuper à distance des ordinateurs de l’association : voir s’ils vont bien, prendre la main sur l’écran, envoyer un fichier. Un petit programme est à installer sur chacun."
  en = "Look after the association’s computers from afar: see how they are, take over the screen, send a file. A small program has to be installed on each."
}

license    = "Apache-2.0"
charter_ok = true
upstream   = "https://github.com/Ylianst/MeshCentral"
docs = [
  "https://github.com/Ylianst/MeshCentral/tree/master/docker",
  "https://ylianst.github.io/MeshCentral/",
]
unverified = [
  "Upstream's image was not pulled here: its folders and entrypoint were read in the sources; the job runs with 1.1.55 (deploy/images/meshcentral).",
]

tenancy   = "instance" # an attacker gets root on every computer of the association: share it with no other
first_url = "/"
backup    = "stop+files" # certificates, database and files; without the certificates every computer must be enrolled again
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "app-account"

egress = "none"

version = "1.1.59"
tasks   = ["meshcentral"]
needs   = ["smtp"] # its own database on the volume: with PostgreSQL it also needs access to the database "postgres"

health {
  path   = "/health.ashx"
  status = 200
}

# The image runs as root inside the container.
volume {
  uid = 0
  gid = 0
}

image "meshcentral" {
  reference = "ghcr.io/ylianst/meshcentral:1.1.59"
}

# A file among the administrator's files.
check "write" {
  request "sign-in" {
    method       = "POST"
    path         = "/login"
    content_type = "application/x-www-form-urlencoded"
    body         = "username=admin&password={admin_password}"
  }
  request "upload" {
    method       = "POST"
    path         = "/uploadfile.ashx"
    content_type = "multipart/form-data; boundary=frama"
    body         = "--frama\r\nContent-Disposition: form-data; name=\"link\"\r\n\r\nuser//admin\r\n--frama\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{object}.txt\"\r\nContent-Type: text/plain\r\n\r\n{object}\r\n--frama--\r\n"
  }
}

check "read" {
  request "sign-in" {
    method       = "POST"
    path         = "/login"
    content_type = "application/x-www-form-urlencoded"
    body         = "username=admin&password={admin_password}"
  }
  request "download" {
    path     = "/downloadfile.ashx?link=user//admin/{object}.txt"
    contains = "{object}"
  }
}

usage "files" {
  from    = "files"
  pattern = "files/domain/*/*"
}

# The database is a log: each line is a record or its deletion.
usage "accounts" {
  from = "exec"
  task = "meshcentral"
  command = ["/usr/bin/env", "node", "-e", <<-EOT
    const users = new Set()
    for (const line of require("fs").readFileSync("/data/server/meshcentral.db", "utf8").split("\n")) {
      if (!line.includes('"_id":"user/')) continue
      const record = JSON.parse(line)
      if (!record._id.startsWith("user/")) continue
      record.$$deleted ? users.delete(record._id) : users.add(record._id)
    }
    console.log(users.size)
  EOT
  ]
}

# No space for the files of accounts and device groups; computers stay reachable. MeshCentral has no limit for
# administrators: their files are limited by the volume.
enforce {
  setting = "files_stopped"
}

# Password of the user "admin". The application stores it at its first start: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# The token that the form for new accounts asks for. It is never given out: administrators create accounts.
secret "creation_token" {
  length = 32
  kind   = "rotatable"
}

# Signs cookies; a new one signs everybody out.
secret "session_key" {
  length = 64
  kind   = "rotatable"
}

value "title" {
  from = "association"
}

value "admin_email" {
  from = "email"
}

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 768
  disk       = 1024
}

plan "standard" {
  cpu        = 400
  memory     = 384
  memory_max = 1024
  disk       = 5120
}

plan "large" {
  cpu        = 800
  memory     = 768
  memory_max = 2048
  disk       = 20480
}
