# The plans that a host offers, the smallest first. Accounts are people, storage is MiB; both limit the whole space.
# To change or add a plan, a host writes plans.hcl in a folder of its own (catalogue.dirs), raises the version, previews the
# effect with `frama plan diff`, and puts the plan in force with `frama plan apply`.
#
# All keys of a plan:
#
#   plan "village" {
#     version  = 3            # raised with each change
#     accounts = 20           # 0 for no limit
#     storage  = 20480
#     like     = "standard"   # applications reserve the sizes of that plan
#
#     limit "pads" {          # objects of one kind, over all applications
#       most = 500
#     }
#     threshold "notice" {    # defaults: notice 80, warning 95, full 100, over 150
#       at = 70               # percent of each limit
#     }
#     threshold "full" {
#       at    = 100
#       stops = true          # read-only: reading, deleting and exporting still work
#       grace = "30d"         # grace period; the default threshold has 14d
#     }
#     retention "pads" {      # off by default: content unchanged for long is exported and removed
#       unused   = "730d"
#       announce = "30d"      # the association is told that long before
#     }
#     title { … }             # as below
#     description { … }
#   }

plan "starter" {
  title {
    fr = "Découverte"
    en = "Starter"
  }
  description {
    fr = "Pour essayer, ou pour un petit collectif : jusqu’à 10 personnes, 8 Gio."
    en = "To try things out, or for a small group: up to 10 people, 8 GiB."
  }
  version  = 1
  accounts = 10
  storage  = 8192
}

plan "standard" {
  title {
    fr = "Association"
    en = "Association"
  }
  description {
    fr = "Pour une association locale : jusqu’à 50 personnes, 40 Gio."
    en = "For a local association: up to 50 people, 40 GiB."
  }
  version  = 1
  accounts = 50
  storage  = 40960
}

plan "large" {
  title {
    fr = "Fédération"
    en = "Federation"
  }
  description {
    fr = "Pour une fédération ou un réseau d’associations : jusqu’à 250 personnes, 200 Gio."
    en = "For a federation or a network of associations: up to 250 people, 200 GiB."
  }
  version  = 1
  accounts = 250
  storage  = 204800
}
