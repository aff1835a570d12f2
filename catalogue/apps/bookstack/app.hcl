name      = "bookstack"
kind      = "wiki"
status    = "beta"
preferred = true

title {
  fr = "BookStack"
  en = "BookStack"
}

description {
  fr = "Écrire ensemble la documentation de l’association : des livres, des chapitres et des pages, avec une recherche et un historique. Chaque personne a un compte, et vous décidez qui lit et qui écrit."
  en = "Write the association’s documentation together: books, chapters and pages, with search and history. Everyone has an account, and you decide who reads and who writes."
}

license    = "MIT"
charter_ok = true
upstream   = "https://codeberg.org/bookstack/bookstack"
docs = [
  "https://www.bookstackapp.com/docs/admin/commands/",
  "https://github.com/linuxserver/docker-bookstack",
]
unverified = [
  "The image was not run. Upstream publishes none: this one is linuxserver.io's, built from upstream's releases.",
  "The tables users and entities, by which accounts and pages are counted, were not looked up in 26.05.",
  "Until the setup step, BookStack knows its public default administrator: only the ingress may reach the node's ports.",
]

tenancy   = "instance" # administrators see everything
first_url = "/"
backup    = "dump+files"
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]

version = "26.05.3"
tasks   = ["bookstack"]
needs   = ["mysql", "smtp"]

mysql {
  charset = "utf8mb4"
}

image "bookstack" {
  reference = "lscr.io/linuxserver/bookstack:v26.05.3-ls280"
}

health {
  path   = "/status"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# Encrypts two-factor keys and signs cookies.
secret "app_key" {
  length = 32
  kind   = "permanent"
  format = "base64"
}

value "title" {
  from = "association"
}

# The first administrator, who sets a password with "forgotten password".
value "admin_email" {
  from = "email"
}

value "language" {
  from = "language"
}

# Takes over the default administrator, whose password is public. Status 2: done before.
setup "admin" {
  task = "bookstack"
  command = ["sh", "-c", <<-EOT
    cd /app/www && s6-setuidgid abc php artisan bookstack:create-admin --initial --name=frama --email="$ADMIN_EMAIL" \
      --password="$ADMIN_PASSWORD"
    status=$?
    [ $status -eq 0 ] || [ $status -eq 2 ]
  EOT
  ]
}

check "write" {
  request "form" {
    path = "/login"
    capture "login_token" {
      pattern = "name=\"_token\" value=\"([A-Za-z0-9]+)\""
    }
  }
  request "login" {
    method       = "POST"
    path         = "/login"
    content_type = "application/x-www-form-urlencoded"
    body         = "_token={login_token}&email={admin_email}&password={admin_password}"
    status       = 302
  }
  request "page" {
    path = "/create-book"
    capture "page_token" {
      pattern = "name=\"_token\" value=\"([A-Za-z0-9]+)\""
    }
  }
  request "create" {
    method       = "POST"
    path         = "/books"
    content_type = "application/x-www-form-urlencoded"
    body         = "_token={page_token}&name=essai+{object}"
    status       = 302
  }
}

check "read" {
  request "form" {
    path = "/login"
    capture "read_token" {
      pattern = "name=\"_token\" value=\"([A-Za-z0-9]+)\""
    }
  }
  request "login" {
    method       = "POST"
    path         = "/login"
    content_type = "application/x-www-form-urlencoded"
    body         = "_token={read_token}&email={admin_email}&password={admin_password}"
    status       = 302
  }
  request "book" {
    path     = "/books/essai-{object}"
    contains = "{object}"
  }
}

usage "accounts" {
  from  = "sql"
  query = "select count(*) from users where system_name is null"
}

usage "pages" {
  from  = "sql"
  query = "select count(*) from entities where type = 'page' and deleted_at is null"
}

# For signing in.
enforce {
  writes = ["/login", "/logout", "/password/", "/mfa/"]
}

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 768
  disk       = 2048
}

plan "standard" {
  cpu        = 300
  memory     = 384
  memory_max = 1024
  disk       = 10240
}

plan "large" {
  cpu        = 600
  memory     = 768
  memory_max = 2048
  disk       = 40960
}
