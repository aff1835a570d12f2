name      = "piwigo"
kind      = "photos"
status    = "beta"
preferred = true

title {
  fr = "Piwigo"
  en = "Piwigo"
}

description {
  fr = "Ranger les photos de l’association en albums et les partager : avec tout le monde, ou seulement avec les personnes et les groupes choisis. Elles s’ajoutent depuis un navigateur ou un téléphone."
  en = "Keep the association’s photos in albums and share them: with everyone, or only with the people and groups you choose. Add them from a browser or a phone."
}

license    = "GPL-2.0-or-later"
charter_ok = true
upstream   = "https://github.com/Piwigo/Piwigo"
docs = [
  "https://github.com/Piwigo/piwigo-docker",
  "https://piwigo.org/guides/install/docker",
]
unverified = [
  "The licence file says GPL version 2; whether a later one may be chosen was read in the sources' headers only.",
  "16.4.0 was tried with the start script of upstream's image, on PHP 8.2 and MariaDB 10.11; the image itself was not.",
  "An upgrade of code that is already on the volume, and photos themselves: the check makes an album.",
]

tenancy   = "instance"
first_url = "/identification.php"
backup    = "dump+files"
upgrade   = "migrate-command" # code upgrades itself; from 16 to 17 the site waits until an administrator opens upgrade.php
suspend   = "proxy"
quota     = "ingress"

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]

version = "16.4.0"
tasks   = ["piwigo"]
needs   = ["mysql", "smtp"]

mysql {
  charset = "utf8mb4"
}

# The installer answers before and after the installation.
health {
  path   = "/install.php"
  status = 200
}

# PIWIGO_UID and PIWIGO_GID of the job
volume {
  uid = 1000
  gid = 1000
}

image "piwigo" {
  reference = "docker.io/piwigo/piwigo:16.4.0a"
}

# Repeating the first request reports that Piwigo is installed; the second verifies it.
setup "install" {
  request "form" {
    method       = "POST"
    path         = "/install.php?language=fr_FR"
    content_type = "application/x-www-form-urlencoded"
    body         = "install=1&prefix=piwigo_&dbhost={db_host}:{db_port}&dbuser={db_user}&dbpasswd={db_password}&dbname={db_name}&admin_name=admin&admin_pass1={admin_password}&admin_pass2={admin_password}&admin_mail={admin_email}"
  }
  request "installed" {
    path     = "/ws.php?format=json&method=pwg.getVersion"
    contains = "\"stat\":\"ok\""
  }
}

# Creates an album, since a photo is not text.
check "write" {
  request "sign-in" {
    method       = "POST"
    path         = "/ws.php?format=json&method=pwg.session.login"
    content_type = "application/x-www-form-urlencoded"
    body         = "username=admin&password={admin_password}"
    contains     = "\"stat\":\"ok\""
  }
  request "album" {
    method       = "POST"
    path         = "/ws.php?format=json&method=pwg.categories.add"
    content_type = "application/x-www-form-urlencoded"
    body         = "name={object}"
    contains     = "\"stat\":\"ok\""
  }
}

check "read" {
  request "sign-in" {
    method       = "POST"
    path         = "/ws.php?format=json&method=pwg.session.login"
    content_type = "application/x-www-form-urlencoded"
    body         = "username=admin&password={admin_password}"
    contains     = "\"stat\":\"ok\""
  }
  request "albums" {
    path     = "/ws.php?format=json&method=pwg.categories.getAdminList"
    contains = "{object}"
  }
}

usage "accounts" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM piwigo_users WHERE username <> 'guest'"
}

usage "photos" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM piwigo_images"
}

# Password of the user "admin". The application stores it at setup: changing it here has no effect there.
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

# Photos are deleted on the administration pages; uploads use another path (/ws.php).
enforce {
  writes = ["/identification.php", "/password.php", "/admin.php"]
}

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 768
  disk       = 4096
}

plan "standard" {
  cpu        = 400
  memory     = 384
  memory_max = 1024
  disk       = 30720
}

plan "large" {
  cpu        = 800
  memory     = 512
  memory_max = 2048
  disk       = 153600
}
