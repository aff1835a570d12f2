# The kinds of applications, in the order people see them. A kind's id is part of host names: <space>-<kind>.<platform>.
# To add a kind or change its titles, a host writes kinds.hcl in a folder of its own (catalogue.dirs).

kind "cloud" {
  core = true
  title {
    fr = "Nuage"
    en = "Cloud"
  }
  description {
    fr = "Fichiers, agendas et contacts partagés"
    en = "Shared files, calendars and contacts"
  }
}

kind "pads" {
  core = true
  title {
    fr = "Pads"
    en = "Pads"
  }
  description {
    fr = "Des textes écrits à plusieurs"
    en = "Texts written together"
  }
}

kind "calcs" {
  core = true
  title {
    fr = "Calcs"
    en = "Calcs"
  }
  description {
    fr = "Des tableurs partagés"
    en = "Shared spreadsheets"
  }
}

kind "polls" {
  core = true
  title {
    fr = "Sondages"
    en = "Polls"
  }
  description {
    fr = "Trouver une date, choisir ensemble"
    en = "Find a date, choose together"
  }
}

kind "forms" {
  core = true
  title {
    fr = "Formulaires"
    en = "Forms"
  }
  description {
    fr = "Inscriptions, enquêtes et leurs réponses"
    en = "Registrations, surveys and their answers"
  }
}

kind "lists" {
  title {
    fr = "Listes de diffusion"
    en = "Mailing lists"
  }
  description {
    fr = "Écrire à tout un groupe par courriel"
    en = "Write to a whole group by mail"
  }
}

kind "chat" {
  title {
    fr = "Discussion"
    en = "Chat"
  }
  description {
    fr = "Des échanges d’équipe par salons"
    en = "Team conversations in channels"
  }
}

kind "meet" {
  title {
    fr = "Visioconférence"
    en = "Video meetings"
  }
  description {
    fr = "Se voir et se parler à distance"
    en = "See and hear each other from afar"
  }
}

kind "decisions" {
  title {
    fr = "Décisions"
    en = "Decisions"
  }
  description {
    fr = "Débattre et décider à plusieurs"
    en = "Discuss and decide together"
  }
}

kind "mindmaps" {
  title {
    fr = "Cartes mentales"
    en = "Mind maps"
  }
  description {
    fr = "Organiser des idées en carte"
    en = "Arrange ideas on a map"
  }
}

kind "maps" {
  title {
    fr = "Cartes"
    en = "Maps"
  }
  description {
    fr = "Des cartes à publier, sur fond OpenStreetMap"
    en = "Maps to publish, on OpenStreetMap"
  }
}

kind "events" {
  title {
    fr = "Événements"
    en = "Events"
  }
  description {
    fr = "Annoncer des événements et s’y inscrire"
    en = "Announce events and sign up for them"
  }
}

kind "site" {
  title {
    fr = "Site web"
    en = "Website"
  }
  description {
    fr = "Le site public de l’association"
    en = "The association’s public website"
  }
}

kind "wiki" {
  title {
    fr = "Wiki"
    en = "Wiki"
  }
  description {
    fr = "La mémoire du groupe, page par page"
    en = "The group’s memory, page by page"
  }
}

kind "photos" {
  title {
    fr = "Photos"
    en = "Photos"
  }
  description {
    fr = "Des albums à partager"
    en = "Albums to share"
  }
}

kind "videos" {
  title {
    fr = "Vidéos"
    en = "Videos"
  }
  description {
    fr = "Publier des vidéos sans plateforme commerciale"
    en = "Publish videos without a commercial platform"
  }
}

kind "social" {
  title {
    fr = "Réseau social"
    en = "Social network"
  }
  description {
    fr = "Une présence sur le Fédivers"
    en = "A place in the Fediverse"
  }
}

kind "drop" {
  title {
    fr = "Envoi de fichiers"
    en = "File drop"
  }
  description {
    fr = "Transmettre un gros fichier par un lien"
    en = "Hand over a large file by a link"
  }
}

kind "webmail" {
  title {
    fr = "Courriel en ligne"
    en = "Webmail"
  }
  description {
    fr = "Lire son courriel dans le navigateur"
    en = "Read mail in the browser"
  }
}

kind "git" {
  title {
    fr = "Forge"
    en = "Code forge"
  }
  description {
    fr = "Développer un logiciel à plusieurs"
    en = "Develop software together"
  }
}

kind "management" {
  title {
    fr = "Gestion"
    en = "Management"
  }
  description {
    fr = "Adhésions, comptabilité, stocks"
    en = "Members, accounts, stock"
  }
}

kind "devices" {
  title {
    fr = "Ordinateurs à distance"
    en = "Remote computers"
  }
  description {
    fr = "Dépanner les ordinateurs du groupe"
    en = "Help with the group’s computers"
  }
}

# An engine that clouds use; associations cannot request it.
kind "office" {
  offered = false
  title {
    fr = "Bureautique"
    en = "Office"
  }
  description {
    fr = "Modifier des documents dans le nuage"
    en = "Edit documents in the cloud"
  }
}
