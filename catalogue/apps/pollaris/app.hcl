name      = "pollaris"
kind      = "polls"
status    = "beta"
preferred = true

title {
  fr = "Pollaris"
  en = "Pollaris"
}

description {
  fr = "Trouver une date, ou choisir entre plusieurs propositions. Pas de compte : un lien pour répondre, un autre pour gérer son sondage. Un sondage est effacé six mois après sa fin."
  en = "Find a date, or choose between several proposals. No accounts: one link to answer, another to manage your poll. A poll is deleted six months after its end."
}

license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://framagit.org/pollaris/pollaris"

docs = [
  "https://framagit.org/pollaris/pollaris/-/blob/1.2.3/docs/administrators/install.md",
  "https://framagit.org/pollaris/pollaris/-/blob/1.2.3/env.sample",
  "https://framagit.org/pollaris/pollaris/-/blob/1.2.3/CHANGELOG.md",
]
unverified = [
  "Upstream's own files could not be had: environment, commands, tables and the form of the trial were read in a fork of 1.2.3.",
  "The image of Containerfile was not built here.",
  "That Symfony's own variable SYMFONY_TRUSTED_PROXIES is enough behind an ingress: upstream's guide says to signal HTTPS at the web server.",
]

tenancy   = "instance"
first_url = "/"
backup    = "dump"
upgrade   = "migrate-command" # a task of the job that runs before the others
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "1.2.3"
tasks   = ["app", "worker", "migrate"]
needs   = ["postgres", "smtp"]

postgres {
  version = 15
}

health {
  path   = "/"
  status = 200
}

image "app" {
  reference = "pollaris:1.2.3"
  build     = "https://framagit.org/pollaris/pollaris/-/archive/1.2.3/pollaris-1.2.3.tar.gz"
}

image "worker" {
  reference = "pollaris:1.2.3"
  build     = "https://framagit.org/pollaris/pollaris/-/archive/1.2.3/pollaris-1.2.3.tar.gz"
}

image "migrate" {
  reference = "pollaris:1.2.3"
  build     = "https://framagit.org/pollaris/pollaris/-/archive/1.2.3/pollaris-1.2.3.tar.gz"
}

# The first step of a poll stores its title; unfinished polls are deleted after a month.
check "write" {
  request "form" {
    path     = "/polls/new?type=classic"
    contains = "poll[title]"
    capture "token" {
      pattern = "name=\"poll\\[_token\\]\"[^>]*value=\"([^\"]+)\""
    }
    capture "closed" {
      pattern = "name=\"poll\\[closedAt\\]\"[^>]*value=\"([0-9-]+)\""
    }
  }
  request "poll" {
    method       = "POST"
    path         = "/polls/new?type=classic"
    content_type = "application/x-www-form-urlencoded"
    body         = "poll[title]={object}&poll[description]=&poll[closedAt]={closed}&poll[authorName]=frama&poll[authorEmail]=&poll[_token]={token}"
    status       = 302
    capture "poll" {
      pattern = "/polls/([0-9a-f]+/[0-9a-f]+)/"
    }
  }
}

check "read" {
  request "poll" {
    path     = "/polls/{poll}/edit"
    contains = "{object}"
  }
}

usage "polls" {
  from  = "sql"
  query = "SELECT count(*) FROM poll WHERE completed_at IS NOT NULL"
}

usage "answers" {
  from  = "sql"
  query = "SELECT count(*) FROM vote"
}

# Signs cookies and forms.
secret "app_secret" {
  length = 64
  kind   = "permanent"
}

value "title" {
  from = "association"
}

# For signing in.
enforce {
  writes = ["/login"]
}

plan "starter" {
  cpu        = 150
  memory     = 256
  memory_max = 512
  disk       = 256
}

plan "standard" {
  cpu        = 200
  memory     = 256
  memory_max = 640
  disk       = 512
}

plan "large" {
  cpu        = 400
  memory     = 384
  memory_max = 1024
  disk       = 1024
}
