name      = "ethercalc"
kind      = "calcs"
status    = "stable"
preferred = true

title {
  fr = "EtherCalc"
  en = "EtherCalc"
}

description {
  fr = "Remplir un tableau à plusieurs, en même temps, depuis un navigateur. Pas de compte : qui connaît l’adresse d’une feuille peut la modifier."
  en = "Fill in a spreadsheet together, at the same time, in a browser. No accounts: whoever knows a sheet’s address can change it."
}

exception "credits" {
  fr = "SocialCalc, la partie qui calcule, est sous CPAL-1.0 : la mention de ses auteurs doit rester visible."
  en = "SocialCalc, the part that calculates, is under CPAL-1.0: its credits have to stay visible."
}

license    = "CC0-1.0 AND CPAL-1.0 AND Artistic-2.0"
charter_ok = true
upstream   = "https://github.com/audreyt/ethercalc"

docs = [
  "https://github.com/audreyt/ethercalc/blob/main/README.md",
  "https://github.com/audreyt/ethercalc/blob/main/API.md",
  "https://github.com/audreyt/ethercalc/blob/main/docs/SELFHOST_HARDENING.md",
]
unverified = [
  "Upstream's image was not pulled here: settings and API were read in the sources of 0.20260717.0; the job runs with 0.20200127.0 (deploy/images/ethercalc).",
]

tenancy   = "instance" # one flat list of sheets, and a sheet's address gives the right to edit it
first_url = "/"
backup    = "stop+files" # many SQLite files: a live copy is not consistent
upgrade   = "auto-on-start"
suspend   = "app-read-only" # ETHERCALC_KEY makes plain links read-only
quota     = "ingress" # the key does not protect HTTP writes, and adding /edit to an address reveals it

egress = "none"

version = "0.20260717.0"
tasks   = ["ethercalc"]

health {
  path   = "/_health"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

image "ethercalc" {
  reference = "docker.io/audreyt/ethercalc:0.20260717.0"
}

check "write" {
  request "sheet" {
    method       = "PUT"
    path         = "/_/{object}"
    content_type = "text/csv"
    body         = "{object},1"
    status       = 201
  }
}

check "read" {
  request "cells" {
    path     = "/_/{object}/csv"
    contains = "{object},1"
  }
}

# One file per sheet, named by its hexadecimal identifier; metadata.sqlite does not count.
usage "sheets" {
  from    = "files"
  pattern = "do/ethercalc-roomdo-v1/[0-9a-f]*.sqlite"
}

plan "starter" {
  cpu        = 100
  memory     = 256
  memory_max = 1024
  disk       = 1024
}

plan "standard" {
  cpu        = 200
  memory     = 256
  memory_max = 1024
  disk       = 2048
}

plan "large" {
  cpu        = 400
  memory     = 512
  memory_max = 2048
  disk       = 10240
}
