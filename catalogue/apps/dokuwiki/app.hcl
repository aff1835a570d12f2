name   = "dokuwiki"
kind   = "wiki"
status = "beta"

title {
  fr = "DokuWiki"
  en = "DokuWiki"
}

description {
  fr = "Un wiki simple : des pages de texte que l’on relie entre elles, avec leur historique et leurs images. Tout le monde peut lire, les personnes qui ont un compte écrivent, et l’administration ouvre les comptes."
  en = "A simple wiki: pages of text that link to each other, with their history and pictures. Everybody can read, people with an account write, and the administrator makes accounts."
}

license    = "GPL-2.0-only"
charter_ok = true
upstream   = "https://github.com/dokuwiki/dokuwiki"
docs = [
  "https://github.com/dokuwiki/docker",
  "https://www.dokuwiki.org/config",
  "https://www.dokuwiki.org/acl",
]
unverified = [
  "The job was tried with an image of Debian's 2022-07-31b laid out as upstream's, not with upstream's, whose tag could not be looked up.",
  "It sends no mail: the image has no mail server, and an extension would be needed to use the host's.",
]

tenancy   = "instance"
first_url = "/start?do=login"
backup    = "stop+files" # pages are text files
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "2025-05-14b"
tasks   = ["dokuwiki"]

health {
  path   = "/doku.php"
  status = 200
}

# www-data
volume {
  uid = 33
  gid = 33
}

image "dokuwiki" {
  reference = "docker.io/dokuwiki/dokuwiki:2025-05-14b"
}

check "write" {
  request "sign-in" {
    method       = "POST"
    path         = "/start?do=login"
    content_type = "application/x-www-form-urlencoded"
    body         = "id=start&do=login&u=admin&p={admin_password}"
    status       = 302
  }
  request "form of the page" {
    path = "/{object}?do=edit"
    capture "page_token" {
      pattern = "name=\"sectok\" value=\"([0-9a-f]+)\""
    }
  }
  request "page" {
    method       = "POST"
    path         = "/{object}?do=edit"
    content_type = "application/x-www-form-urlencoded"
    body         = "sectok={page_token}&id={object}&rev=0&date=0&prefix=.&suffix=&changecheck=&target=section&wikitext=Essai+{object}&do%5Bsave%5D=1"
    status       = 302
  }
}

check "read" {
  request "page" {
    path     = "/{object}"
    contains = "Essai {object}"
  }
  # Only signed-in users may write.
  request "form of another page" {
    path  = "/{object}-2?do=edit"
    lacks = "name=\"do[save]\""
  }
}

usage "accounts" {
  from    = "exec"
  task    = "dokuwiki"
  command = ["sh", "-c", "grep -c '^[^#].*:' /storage/conf/users.auth.php"]
}

usage "pages" {
  from    = "exec"
  task    = "dokuwiki"
  command = ["sh", "-c", "find /storage/data/pages -name '*.txt' | wc -l"]
}

# Password of the user "admin". The application stores it at its first start: changing it here has no effect there.
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

value "language" {
  from = "language"
}

plan "starter" {
  cpu        = 200
  memory     = 128
  memory_max = 512
  disk       = 1024
}

plan "standard" {
  cpu        = 400
  memory     = 192
  memory_max = 768
  disk       = 5120
}

plan "large" {
  cpu        = 800
  memory     = 384
  memory_max = 1536
  disk       = 20480
}
