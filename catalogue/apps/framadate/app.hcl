name        = "framadate"
kind        = "polls"
status      = "retired"
replaced_by = "pollaris"

title {
  fr = "Framadate"
  en = "Framadate"
}

description {
  fr = "Retiré : passez à Pollaris. Framadate n’est plus entretenu depuis 2022 ; Pollaris fait la même chose, choisir une date ou donner son avis sans compte, et reçoit des corrections. Exportez d’abord les résultats que vous voulez garder."
  en = "Retired: migrate to Pollaris. Framadate has had no upkeep since 2022; Pollaris does the same, choosing a date or giving an opinion without an account, and gets fixes. First export the results you want to keep."
}

license    = "CECILL-B"
charter_ok = true
upstream   = "https://framagit.org/framasoft/framadate/framadate"
unverified = ["Nothing moves polls from Framadate to Pollaris by itself: export them as CSV."]

tenancy   = "instance"
first_url = "/"
backup    = "dump"
upgrade   = "migrate-command"
suspend   = "proxy"
quota     = "ingress"

egress = "none"

version = "1.1.19" # the last one, May 2022
needs   = ["mysql"]

plan "starter" {
  cpu        = 100
  memory     = 128
  memory_max = 256
  disk       = 512
}

plan "standard" {
  cpu        = 100
  memory     = 128
  memory_max = 256
  disk       = 1024
}

plan "large" {
  cpu        = 200
  memory     = 256
  memory_max = 512
  disk       = 2048
}
