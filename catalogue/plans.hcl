# The plans a host offers, the smallest first. Accounts are people, storage is MiB; both hold for a whole space.
# A host changes a plan, or adds one, in plans.hcl of a folder of its own (catalogue.dirs).

plan "starter" {
  title {
    fr = "Découverte"
    en = "Starter"
  }
  description {
    fr = "Pour essayer, ou pour un petit collectif : jusqu’à 10 personnes, 8 Gio."
    en = "To try things out, or for a small group: up to 10 people, 8 GiB."
  }
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
  accounts = 250
  storage  = 204800
}
