name      = "odoo"
kind      = "management"
status    = "beta"
preferred = true

title {
  fr = "Odoo"
  en = "Odoo"
}

description {
  fr = "Gérer l’association : contacts, factures et paiements, stocks, événements. Vous ajoutez les modules dont vous avez besoin dans l’édition libre d’Odoo. Les comptes sont créés par votre association."
  en = "Run the association: contacts, invoices and payments, stock, events. You add the modules you need from the free edition of Odoo. Your association creates the accounts."
}

exception "edition" {
  fr = "La liste des modules en montre aussi de l’édition payante, qui ne peuvent pas être installés ici."
  en = "The list of modules also shows ones of the paid edition, which cannot be installed here."
}

license    = "LGPL-3.0-only"
charter_ok = true
upstream   = "https://github.com/odoo/odoo"
docs = [
  "https://github.com/odoo/docker/tree/master/19.0",
  "https://www.odoo.com/documentation/19.0/developer/reference/cli.html",
]
unverified = [
  "The image was not run; the number of its user (100) was not seen in a source.",
  "Odoo looks into the database named postgres when it starts: the role must be allowed to connect to it.",
  "Mail goes by STARTTLS; a relay on port 465 has to be set in Odoo itself.",
  "There is no free way from one major version to the next within Odoo: OpenUpgrade, or a service of Odoo SA.",
]

tenancy   = "instance"
first_url = "/odoo"
backup    = "dump+files"
upgrade   = "migrate-command" # within 19.0, a start updates the installed modules
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "19.0.20260723"
tasks   = ["odoo"]
needs   = ["postgres", "smtp"]

postgres {
  version    = 13
  extensions = ["unaccent", "pg_trgm"]
}

image "odoo" {
  reference = "docker.io/library/odoo:19.0-20260723"
}

health {
  path   = "/web/health"
  status = 200
}

volume {
  uid = 100
  gid = 101
}

# The application stores it at setup: changing it here has no effect there.
secret "admin_password" {
  length = 32
  kind   = "permanent"
}

# Password of the pages that create and drop databases, which are also disabled.
secret "master_password" {
  length = 48
  kind   = "rotatable"
}

value "admin_email" {
  from = "email"
}

value "language" {
  from = "language"
}

check "write" {
  request "create" {
    method       = "POST"
    path         = "/jsonrpc"
    content_type = "application/json"
    body         = "{\"jsonrpc\": \"2.0\", \"method\": \"call\", \"params\": {\"service\": \"object\", \"method\": \"execute_kw\", \"args\": [\"{db_name}\", 2, \"{admin_password}\", \"res.partner\", \"create\", [{\"name\": \"{object}\"}]]}}"
    contains     = "result"
    lacks        = "error"
  }
}

check "read" {
  request "search" {
    method       = "POST"
    path         = "/jsonrpc"
    content_type = "application/json"
    body         = "{\"jsonrpc\": \"2.0\", \"method\": \"call\", \"params\": {\"service\": \"object\", \"method\": \"execute_kw\", \"args\": [\"{db_name}\", 2, \"{admin_password}\", \"res.partner\", \"search_read\", [[[\"name\", \"=\", \"{object}\"]]], {\"fields\": [\"name\"]}]}}"
    contains     = "{object}"
    lacks        = "error"
  }
}

# The account that the image creates at its first start signs in.
check "opening" {
  request "account" {
    method       = "POST"
    path         = "/jsonrpc"
    content_type = "application/json"
    body         = "{\"jsonrpc\": \"2.0\", \"method\": \"call\", \"params\": {\"service\": \"object\", \"method\": \"execute_kw\", \"args\": [\"{db_name}\", 2, \"{admin_password}\", \"res.users\", \"search_read\", [[[\"id\", \"=\", 2]]], {\"fields\": [\"login\"]}]}}"
    contains     = "login"
    lacks        = "error"
  }
}

usage "accounts" {
  from  = "sql"
  query = "select count(*) from res_users where active and not share and id <> 1"
}

# For signing in.
enforce {
  writes = ["/web/login", "/web/session/", "/web/reset_password"]
}

plan "starter" {
  cpu        = 400
  memory     = 768
  memory_max = 2048
  disk       = 5120
}

plan "standard" {
  cpu        = 800
  memory     = 1024
  memory_max = 3072
  disk       = 20480
}

plan "large" {
  cpu        = 1500
  memory     = 2048
  memory_max = 6144
  disk       = 102400
}
