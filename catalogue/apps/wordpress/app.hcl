name      = "wordpress"
kind      = "site"
status    = "beta"
preferred = true

title {
  fr = "WordPress"
  en = "WordPress"
}

description {
  fr = "Le site public de l’association : pages, actualités, photos, menus. On écrit depuis un navigateur, sans connaître le code, et chacun reçoit un rôle : lire, écrire, publier ou administrer."
  en = "The association’s public website: pages, news, photos, menus. You write in a browser, without knowing code, and everyone gets a role: read, write, publish or administer."
}

exception "updates" {
  fr = "Le site demande à api.wordpress.org les mises à jour des thèmes et des extensions : sans cela, leurs corrections de sécurité n’arriveraient pas."
  en = "The site asks api.wordpress.org for updates of themes and plugins: without that, their security fixes would not come."
}

license    = "GPL-2.0-or-later"
charter_ok = true
upstream   = "https://github.com/WordPress/WordPress"
docs = [
  "https://github.com/docker-library/wordpress",
  "https://developer.wordpress.org/advanced-administration/wordpress/wp-config/",
]
unverified = [
  "The job, installation and check were tried with an image of Debian's 6.1.9 laid out as upstream's, not with upstream's of 7.1.0.",
]

tenancy   = "instance" # a multisite would share plugins, and their vulnerabilities, between associations
first_url = "/wp-admin/"
backup    = "dump+files"
upgrade   = "auto-on-start" # the image brings the code, a plugin of the job migrates the database
suspend   = "proxy"         # the maintenance mode is a file beside the code, which is in the image
quota     = "ingress"

egress = "web" # plugins and their updates

version = "7.1.0"
tasks   = ["wordpress"]
needs   = ["mysql", "smtp"]

mysql {
  charset = "utf8mb4"
}

# The installer answers before and after the installation, if the database does.
health {
  path   = "/wp-admin/install.php"
  status = 200
}

# www-data
volume {
  uid = 33
  gid = 33
}

image "wordpress" {
  reference = "docker.io/library/wordpress:7.1.0-php8.3-apache"
}

setup "install" {
  task    = "wordpress"
  command = ["php", "/local/install"]
}

# /?rest_route=… works with every permalink setting, unlike /wp-json/….
check "write" {
  request "sign-in" {
    method       = "POST"
    path         = "/wp-login.php"
    content_type = "application/x-www-form-urlencoded"
    body         = "log=admin&pwd={admin_password}"
    status       = 302
  }
  request "nonce" {
    path = "/wp-admin/admin-ajax.php?action=rest-nonce"
    capture "nonce" {
      pattern = "^([0-9a-f]+)$"
    }
  }
  request "post" {
    method       = "POST"
    path         = "/?rest_route=/wp/v2/posts"
    content_type = "application/json"
    headers      = { "X-WP-Nonce" = "{nonce}" }
    body         = "{\"title\": \"{object}\", \"content\": \"{object}\", \"status\": \"publish\"}"
    status       = 201
    contains     = "{object}"
  }
}

check "read" {
  request "search" {
    path     = "/?rest_route=/wp/v2/posts&search={object}"
    contains = "\"rendered\":\"{object}\""
  }
}

usage "accounts" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM wp_users"
}

usage "posts" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM wp_posts WHERE post_type = 'post' AND post_status = 'publish'"
}

usage "pages" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM wp_posts WHERE post_type = 'page' AND post_status = 'publish'"
}

# For signing in, deleting from lists (posts and pages use GET), and the scripts of the media library and comments.
# Uploads and new posts use other paths.
enforce {
  writes = ["/wp-login.php", "/wp-admin/admin-ajax.php", "/wp-admin/users.php"]
}

# Password of the user "admin". The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# These eight sign cookies; changing them signs everybody out.
secret "auth_key" {
  length = 64
  kind   = "rotatable"
}

secret "secure_auth_key" {
  length = 64
  kind   = "rotatable"
}

secret "logged_in_key" {
  length = 64
  kind   = "rotatable"
}

secret "nonce_key" {
  length = 64
  kind   = "rotatable"
}

secret "auth_salt" {
  length = 64
  kind   = "rotatable"
}

secret "secure_auth_salt" {
  length = 64
  kind   = "rotatable"
}

secret "logged_in_salt" {
  length = 64
  kind   = "rotatable"
}

secret "nonce_salt" {
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
  memory     = 256
  memory_max = 768
  disk       = 2048
}

plan "standard" {
  cpu        = 500
  memory     = 384
  memory_max = 1024
  disk       = 10240
}

plan "large" {
  cpu        = 1000
  memory     = 768
  memory_max = 2048
  disk       = 40960
}
