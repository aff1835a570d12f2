name      = "umap"
kind      = "maps"
status    = "beta"
preferred = true

title {
  fr = "uMap"
  en = "uMap"
}

description {
  fr = "Dessiner des cartes : placer des points, tracer des chemins et des zones sur le fond d’OpenStreetMap, seul ou à plusieurs, puis les montrer sur votre site. Sans compte, un lien secret permet de modifier la carte."
  en = "Draw maps: place points, trace paths and areas over OpenStreetMap, alone or together, then show them on your site. Without an account, a secret link lets you change the map."
}

exception "maps" {
  fr = "Les navigateurs chargent le fond de carte des serveurs d’OpenStreetMap et de ses communautés, et cherchent les lieux sur photon.komoot.io."
  en = "Browsers fetch the background of maps from servers of OpenStreetMap and its communities, and look places up at photon.komoot.io."
}

license    = "AGPL-3.0-only"
charter_ok = true
upstream   = "https://github.com/umap-project/umap"
docs = [
  "https://github.com/umap-project/umap/blob/3.8.1/docker-compose.yml",
  "https://github.com/umap-project/umap/blob/3.8.1/docker/umap-snippet.conf",
  "https://github.com/umap-project/umap/blob/3.8.1/umap/settings/base.py",
]
unverified = [
  "The images were not run: settings, paths and addresses were read in the sources of 3.8.1.",
  "Whether its administrator, named frama, can set a password by mail; nobody else makes accounts.",
]

tenancy   = "instance" # all public maps are on one home page
first_url = "/"
backup    = "dump+files" # map data are files, names and permissions are in the database
upgrade   = "auto-on-start"
suspend   = "app-read-only" # UMAP_READONLY
quota     = "ingress" # UMAP_READONLY also prevents signing in and deleting

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]

version = "3.8.1"
tasks   = ["umap", "proxy", "redis"]
needs   = ["postgres", "smtp"]

postgres {
  version    = 14
  extensions = ["postgis", "unaccent", "btree_gin"]
}

image "umap" {
  reference = "docker.io/umap/umap:3.8.1"
}

image "proxy" {
  reference = "docker.io/library/nginx:1.30.5-alpine"
}

# Valkey, in place of Redis.
image "redis" {
  reference = "docker.io/valkey/valkey:8.1.10-alpine"
}

health {
  path   = "/stats/"
  status = 200
}

volume {
  uid = 0
  gid = 0
}

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# Signs the secret links of anonymous maps: a new one breaks them all.
secret "secret_key" {
  length = 64
  kind   = "permanent"
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

setup "admin" {
  task = "umap"
  command = ["umap", "shell", "-c", <<-EOT
    import os
    from django.contrib.auth import get_user_model
    user, made = get_user_model().objects.get_or_create(username="frama")
    if made:
        user.email, user.is_staff, user.is_superuser = os.environ["ADMIN_EMAIL"], True, True
        user.set_password(os.environ["ADMIN_PASSWORD"])
        user.save()
  EOT
  ]
}

check "write" {
  request "form" {
    path = "/fr/login/"
    capture "write_token" {
      pattern = "name=\"csrfmiddlewaretoken\" value=\"([A-Za-z0-9]+)\""
    }
  }
  request "login" {
    method       = "POST"
    path         = "/fr/login/"
    content_type = "application/x-www-form-urlencoded"
    headers      = { "Referer" = "{url}/fr/login/" }
    body         = "csrfmiddlewaretoken={write_token}&username=frama&password={admin_password}"
    status       = 302
  }
  request "page" {
    path = "/fr/me/profile"
    capture "csrf" {
      pattern = "name=\"csrfmiddlewaretoken\" value=\"([A-Za-z0-9]+)\""
    }
  }
  request "create" {
    method       = "POST"
    path         = "/fr/map/create/"
    content_type = "application/x-www-form-urlencoded"
    headers      = { "Referer" = "{url}/fr/map/new/", "X-CSRFToken" = "{csrf}" }
    body         = "name={object}&center=%7B%22type%22%3A%22Point%22%2C%22coordinates%22%3A%5B2.35%2C48.85%5D%7D&settings=%7B%22properties%22%3A%7B%22name%22%3A%22{object}%22%7D%7D"
    capture "map" {
      pattern = "\"id\": ?([0-9]+)"
    }
  }
}

check "read" {
  request "form" {
    path = "/fr/login/"
    capture "read_token" {
      pattern = "name=\"csrfmiddlewaretoken\" value=\"([A-Za-z0-9]+)\""
    }
  }
  request "login" {
    method       = "POST"
    path         = "/fr/login/"
    content_type = "application/x-www-form-urlencoded"
    headers      = { "Referer" = "{url}/fr/login/" }
    body         = "csrfmiddlewaretoken={read_token}&username=frama&password={admin_password}"
    status       = 302
  }
  request "map" {
    path     = "/fr/map/{map}/geojson/"
    contains = "{object}"
  }
}

usage "accounts" {
  from  = "http-json"
  path  = "/stats/"
  field = "users_count"
}

usage "maps" {
  from  = "http-json"
  path  = "/stats/"
  field = "maps_count"
}

# People sign in, and the administrator deletes maps in /admin/.
enforce {
  writes = ["/fr/login/", "/en/login/", "/admin/"]
}

plan "starter" {
  cpu        = 300
  memory     = 384
  memory_max = 1024
  disk       = 2048
}

plan "standard" {
  cpu        = 400
  memory     = 512
  memory_max = 1536
  disk       = 10240
}

plan "large" {
  cpu        = 800
  memory     = 1024
  memory_max = 3072
  disk       = 40960
}
