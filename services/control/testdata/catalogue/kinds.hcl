# Kinds that no application of the binary is of.
kind "standin" {
  title {
    fr = "Essai"
    en = "Trial"
  }
  description {
    fr = "Pour les essais"
    en = "For tests"
  }
}
