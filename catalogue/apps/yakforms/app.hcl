name        = "yakforms"
kind        = "forms"
status      = "retired"
replaced_by = "liberaforms"

title {
  fr = "Yakforms"
  en = "Yakforms"
}

description {
  fr = "Retiré : passez à LiberaForms. Yakforms, le moteur de Framaforms, repose sur Drupal 7, qui ne reçoit plus de corrections depuis 2025. Avec LiberaForms vous faites les mêmes formulaires et téléchargez les réponses ; exportez d’abord celles que vous voulez garder."
  en = "Retired: migrate to LiberaForms. Yakforms, the engine of Framaforms, rests on Drupal 7, which has had no fixes since 2025. With LiberaForms you make the same forms and download the answers; first export those you want to keep."
}

license    = "GPL-2.0-or-later"
charter_ok = true
upstream   = "https://framagit.org/yakforms/yakforms"
unverified = [
  "The number of the last version and the exact licence expression come from packages of others.",
  "Nothing moves forms from Yakforms to LiberaForms by itself: export answers as CSV.",
]

tenancy   = "instance"
first_url = "/"
backup    = "dump+files"
upgrade   = "migrate-command"
suspend   = "app-maintenance"
quota     = "ingress"

egress = "none"

version = "1.2.0"
needs   = ["postgres"]

plan "starter" {
  cpu        = 200
  memory     = 256
  memory_max = 512
  disk       = 1024
}

plan "standard" {
  cpu        = 200
  memory     = 256
  memory_max = 512
  disk       = 2048
}

plan "large" {
  cpu        = 400
  memory     = 512
  memory_max = 1024
  disk       = 5120
}
