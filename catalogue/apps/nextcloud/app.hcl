name      = "nextcloud"
kind      = "cloud"
status    = "stable"
preferred = true

title {
  fr = "Nextcloud"
  en = "Nextcloud"
}

description {
  fr = "Les fichiers, agendas, contacts et tâches de l’association, partagés entre ses membres. Chaque personne a son compte, et retrouve tout sur son ordinateur et son téléphone."
  en = "The association’s files, calendars, contacts and tasks, shared among its members. Each person has an account, and finds everything again on a computer and a phone."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://github.com/nextcloud/server"

docs = [
  "https://github.com/nextcloud/docker/blob/master/README.md",
  "https://docs.nextcloud.com/server/latest/admin_manual/occ_command.html",
  "https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/config_sample_php_parameters.html",
  "https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/reverse_proxy_configuration.html",
  "https://github.com/nextcloud/groupquota/blob/main/README.md",
  "https://github.com/icewind1991/group_everyone/blob/main/README.md",
]
unverified = [
  "32.0.1 was tried, in an image made of its published sources, with PHP 8.2 and Redis; the image of 33.0.7 itself was not.",
  "An upgrade, also one cut short, was tried with the same code under a later number: no second version was at hand.",
  "Applications of the store were not: it was out of reach. Only groupquota and group_everyone were, from their sources.",
]

tenancy   = "instance" # groups of one Nextcloud do not hide people from one another
first_url = "/"
backup    = "quiesce+dump+files" # database and files must be from the same moment
upgrade   = "one-major-at-a-time"
suspend   = "app-maintenance" # occ maintenance:mode
quota     = "app-instance"    # groupquota of the group "everyone"

egress       = "web" # its app store, federation, external calendars
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]

includes "forms" {
  fr = "Nextcloud contient de quoi faire des formulaires : l’application Forms."
  en = "Nextcloud can make forms: its application Forms."
}

includes "polls" {
  fr = "Nextcloud contient de quoi faire des sondages de dates : l’application Polls."
  en = "Nextcloud can make date polls: its application Polls."
}

version = "33.0.7"
tasks   = ["app", "cron", "redis"]
needs   = ["postgres", "smtp"] # no shared Redis: PHP sessions have no prefix to separate instances

postgres {
  version = 14
}

health {
  path   = "/status.php" # also 200 in maintenance mode, while it is up
  status = 200
}

volume {
  uid = 33
  gid = 33
}

image "app" {
  reference = "docker.io/library/nextcloud:33.0.7-apache"
}

image "cron" {
  reference = "docker.io/library/nextcloud:33.0.7-apache"
}

# Valkey, in place of Redis.
image "redis" {
  reference = "docker.io/valkey/valkey:8.1.10-alpine"
}

# The account "frama" has 10 MB and no rights. An administrator's password could not be used, since people change it.
check "write" {
  request "upload" {
    method         = "PUT"
    path           = "/remote.php/dav/files/frama/{object}.txt"
    body           = "{object}"
    content_type   = "text/plain"
    basic_user     = "frama"
    basic_password = "{check_password}"
    status         = 201
  }
}

check "read" {
  request "download" {
    path           = "/remote.php/dav/files/frama/{object}.txt"
    basic_user     = "frama"
    basic_password = "{check_password}"
    contains       = "{object}"
  }
}

# After an interrupted first start, the health page answers although the administrator or this account is missing.
check "opening" {
  request "upload" {
    method         = "PUT"
    path           = "/remote.php/dav/files/frama/{object}.txt"
    body           = "{object}"
    content_type   = "text/plain"
    basic_user     = "frama"
    basic_password = "{check_password}"
    status         = 201
  }

  request "download" {
    path           = "/remote.php/dav/files/frama/{object}.txt"
    basic_user     = "frama"
    basic_password = "{check_password}"
    contains       = "{object}"
  }

  request "remove" {
    method         = "DELETE"
    path           = "/remote.php/dav/files/frama/{object}.txt"
    basic_user     = "frama"
    basic_password = "{check_password}"
    status         = 204
  }

  request "administrator" {
    path           = "/ocs/v2.php/cloud/groups/admin?format=json"
    headers        = { "OCS-APIRequest" = "true" }
    basic_user     = "admin"
    basic_password = "{admin_password}"
    contains       = "\"admin\""
  }
}

usage "accounts" {
  from  = "sql"
  query = "SELECT count(*) FROM oc_users WHERE uid <> 'frama'"
}

# Home folders with trash, old versions and previews, as Nextcloud counts them, without its code. Nextcloud does not sum
# root folders (their size is -1), only their content. External storage has "::" in its name.
usage "bytes" {
  from  = "sql"
  query = "SELECT coalesce(sum(child.size), 0) FROM oc_storages s JOIN oc_filecache root ON root.storage = s.numeric_id AND root.path_hash = md5('') JOIN oc_filecache child ON child.parent = root.fileid WHERE child.size > 0 AND (s.id LIKE 'home::%' OR s.id LIKE 'local::%' OR s.id NOT LIKE '%::%')"
}

usage "forms" {
  from  = "sql"
  query = "SELECT count(*) FROM oc_forms_v2_forms"
}

usage "polls" {
  from  = "sql"
  query = "SELECT count(*) FROM oc_polls_polls"
}

# The quota of the group "everyone". Nextcloud stores it too, for its next start.
enforce {
  tell {
    task    = "app"
    user    = "www-data"
    command = ["sh", "/local/quota.sh", "{storage_mib} MB"]
    reserve = 1536 # code, settings and previews; also trash and old versions, which this quota does not count
  }
  writes = ["/login", "/index.php/login"]
}

# First administrator. The contact sets a password with "forgotten password". Nextcloud stores this password and the
# next at the installation: changing them here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

secret "check_password" {
  length = 32
  kind   = "permanent"
}

value "email" {
  from = "email"
}

value "language" {
  from = "language"
}

value "title" {
  from = "association"
}

plan "starter" {
  cpu        = 500
  memory     = 768
  memory_max = 2048
  disk       = 4096
}

plan "standard" {
  cpu        = 1000
  memory     = 1024
  memory_max = 3072
  disk       = 32768
}

plan "large" {
  cpu        = 2000
  memory     = 2048
  memory_max = 6144
  disk       = 163840
}
