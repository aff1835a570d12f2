# A wiki whose pages can contain polls.
name   = "ikiwiki"
kind   = "polls"
status = "beta"

title {
  fr = "ikiwiki"
  en = "ikiwiki"
}

description {
  fr = "Poser une question à un groupe et compter les voix. Pas de compte : qui connaît l’adresse peut voter, ajouter une réponse et créer un sondage."
  en = "Ask a group a question and count the votes. No accounts: whoever knows the address can vote, add an answer and make a poll."
}

license    = "GPL-2.0-or-later"
charter_ok = true
upstream   = "https://ikiwiki.info/"
docs       = ["https://ikiwiki.info/ikiwiki/directive/poll/", "https://ikiwiki.info/plugins/lockedit/", "https://ikiwiki.info/setup/"]

tenancy   = "instance"
first_url = "/polls/"
backup    = "stop+files" # pages, with their votes, are text files that each vote rewrites in place
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "3.20200202.3"
tasks   = ["ikiwiki"]

image "ikiwiki" {
  reference = "ikiwiki:3.20200202.3"
  build     = "https://packages.debian.org/bookworm/ikiwiki"
}

health {
  path   = "/"
  status = 200
}

# Creates a poll as the form does, and votes in it.
check "write" {
  request "form of a new poll" {
    path = "/ikiwiki.cgi?do=create&from=polls&page=polls%2F{object}"

    capture "session" {
      pattern = "name=\"sid\" type=\"hidden\" value=\"([0-9a-f]+)\""
    }
  }

  request "poll" {
    method       = "POST"
    path         = "/ikiwiki.cgi"
    content_type = "application/x-www-form-urlencoded"
    body         = "_submitted=1&do=create&sid={session}&from=polls&rcsinfo=&page=polls%2F{object}&type=mdwn&editcontent=%5B%5B%21poll+0+%22oui%22+0+%22non%22%5D%5D&_submit=Save+Page"
    status       = 302
  }

  request "vote" {
    method       = "POST"
    path         = "/ikiwiki.cgi"
    content_type = "application/x-www-form-urlencoded"
    body         = "do=poll&num=1&page=polls%2F{object}&choice=oui"
    status       = 302
  }

  # Pages other than polls are not public.
  request "form of the first page" {
    path  = "/ikiwiki.cgi?do=edit&page=index"
    lacks = "name=\"editcontent\""
  }
}

check "read" {
  request "votes" {
    path     = "/polls/{object}/"
    contains = "oui (100%)"
  }
}

usage "polls" {
  from    = "files"
  pattern = "wiki/polls/*.mdwn"
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

# Votes are rare, and each briefly starts a Perl process of 40 MB; otherwise only the web server runs.
plan "starter" {
  cpu        = 50
  memory     = 96
  memory_max = 256
  disk       = 256
}

plan "standard" {
  cpu        = 100
  memory     = 128
  memory_max = 384
  disk       = 1024
}

plan "large" {
  cpu        = 200
  memory     = 192
  memory_max = 512
  disk       = 4096
}
