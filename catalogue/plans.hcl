# The plans a host offers, the smallest first. Accounts are people, storage is MiB; both hold for a whole space.
# A host changes a plan, or adds one, in plans.hcl of a folder of its own (catalogue.dirs), raises its version, looks at what
# that would do with `frama plan diff`, and puts it in force with `frama plan apply`.
#
# All that a plan can say:
#
#   plan "village" {
#     version  = 3            # raised with each change
#     accounts = 20           # 0 for no limit
#     storage  = 20480
#     like     = "standard"   # applications reserve for it what they reserve for that plan
#
#     limit "pads" {          # objects of one kind, over all applications
#       most = 500
#     }
#     threshold "notice" {    # what the plan does not name stays: notice 80, warning 95, full 100, over 150
#       at = 70               # percent of each limit
#     }
#     threshold "full" {
#       at    = 100
#       stops = true          # growth: reading, deleting and exporting never are
#       grace = "30d"         # after so long; 14d when the plan does not name full
#     }
#     retention "pads" {      # off unless it is written: content that nobody changed for long is exported and removed
#       unused   = "730d"
#       announce = "30d"      # the association knows so long before
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
