name      = "roundcube"
kind      = "webmail"
status    = "beta"
preferred = true

title {
  fr = "Roundcube"
  en = "Roundcube"
}

description {
  fr = "Lire et écrire ses courriels depuis n’importe quel navigateur, avec un carnet d’adresses et des modèles de réponse. On se connecte avec l’adresse et le mot de passe de sa boîte."
  en = "Read and write mail from any browser, with an address book and ready-made answers. You sign in with your mailbox’s address and password."
}

license    = "GPL-3.0-or-later"
charter_ok = true
upstream   = "https://github.com/roundcube/roundcubemail"
docs = [
  "https://github.com/roundcube/roundcubemail-docker",
  "https://github.com/roundcube/roundcubemail/wiki/Configuration",
]
unverified = [
  "Mailboxes are looked for on the host's mail server (smtp_host) by IMAP with TLS on port 993: a host with another server for them changes the job.",
  "The job was tried with an image of Debian's 1.6.5 laid out as upstream's, not with upstream's of 1.7.1.",
  "Without a mailbox, nothing can be written: the check reads the form to sign in, which takes the database and its tables.",
]

tenancy   = "shared" # mailboxes have accounts already, and see only their own mail
first_url = "/"
backup    = "dump"          # address books and settings; mail is on the mail server
upgrade   = "auto-on-start" # the image migrates the tables
suspend   = "proxy"
quota     = "ingress"

egress = "mail" # mailboxes on mail servers of the internet

version = "1.7.1"
tasks   = ["roundcube"]
needs   = ["postgres", "smtp"]

health {
  path   = "/"
  status = 200
}

image "roundcube" {
  reference = "docker.io/roundcube/roundcubemail:1.7.1-apache-nonroot"
}

check "write" {
  request "form" {
    path     = "/?_task=login"
    contains = "name=\"_pass\""
    capture "form_token" {
      pattern = "name=\"_token\" value=\"([^\"]+)\""
    }
  }
}

check "read" {
  request "form" {
    path     = "/?_task=login"
    contains = "name=\"_token\""
  }
}

# Proves that the tables exist: the form starts a session there.
check "opening" {
  request "form" {
    path     = "/?_task=login"
    contains = "name=\"_pass\""
    capture "form_token" {
      pattern = "name=\"_token\" value=\"([^\"]+)\""
    }
  }
}

usage "accounts" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM users"
}

# Encrypts a mailbox's password during a session: exactly 24 characters. A new one signs everybody out.
secret "des_key" {
  length = 24
  kind   = "rotatable"
}

plan "starter" {
  cpu        = 200
  memory     = 192
  memory_max = 512
  disk       = 256
}

plan "standard" {
  cpu        = 400
  memory     = 384
  memory_max = 1024
  disk       = 256
}

plan "large" {
  cpu        = 1000
  memory     = 768
  memory_max = 2048
  disk       = 256
}
