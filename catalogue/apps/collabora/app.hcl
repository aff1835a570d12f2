name      = "collabora"
kind      = "office"
status    = "beta"
preferred = true

title {
  fr = "Collabora Online"
  en = "Collabora Online"
}

description {
  fr = "Ouvrir et modifier à plusieurs les textes, tableaux et présentations rangés dans le nuage. Ce moteur sert tous les nuages de l’hébergeur et ne garde aucun document."
  en = "Open and edit together the texts, spreadsheets and slides kept in the cloud. This engine serves all clouds of the host and keeps no document."
}

license    = "MPL-2.0"
charter_ok = true
upstream   = "https://github.com/CollaboraOnline/online"
docs = [
  "https://sdk.collaboraonline.com/docs/installation/CODE_Docker_image.html",
  "https://github.com/CollaboraOnline/online/tree/master/docker/from-packages",
]
unverified = [
  "A regular expression as the host of an alias group is what others use (https://.*:443); not tried with 26.04.",
  "Conversions are answered to private addresses only (net.post_allow): where frama reaches the node by a public one, the check fails with 403.",
  "CODE is the edition that its makers recommend for small groups; they sell another one with long support.",
]

tenancy   = "shared"
first_url = "/hosting/capabilities"
backup    = "none" # documents are stored in the clouds
upgrade   = "auto-on-start"
suspend   = "proxy"
quota     = "ingress"

egress       = "none"
capabilities = ["CHOWN", "FOWNER", "SYS_CHROOT"]

version = "26.04.3.2"
tasks   = ["collabora"]

health {
  path   = "/hosting/discovery"
  status = 200
}

image "collabora" {
  reference = "docker.io/collabora/code:26.04.3.2.1"
}

# It stores nothing, so both checks convert a text, which uses the same parts as editing.
check "write" {
  request "convert" {
    method       = "POST"
    path         = "/cool/convert-to/txt"
    content_type = "multipart/form-data; boundary=frama"
    body         = "--frama\r\nContent-Disposition: form-data; name=\"data\"; filename=\"trial.txt\"\r\nContent-Type: text/plain\r\n\r\n{object}\r\n--frama--\r\n"
    contains     = "{object}"
  }
}

check "read" {
  request "discovery" {
    path     = "/hosting/discovery"
    contains = "urlsrc=\"https://{host}"
  }
  request "convert" {
    method       = "POST"
    path         = "/cool/convert-to/txt"
    content_type = "multipart/form-data; boundary=frama"
    body         = "--frama\r\nContent-Disposition: form-data; name=\"data\"; filename=\"trial.txt\"\r\nContent-Type: text/plain\r\n\r\n{object}\r\n--frama--\r\n"
    contains     = "{object}"
  }
}

plan "starter" {
  cpu        = 1000
  memory     = 1024
  memory_max = 2048
  disk       = 512
}

plan "standard" {
  cpu        = 2000
  memory     = 2048
  memory_max = 6144
  disk       = 512
}

plan "large" {
  cpu        = 6000
  memory     = 6144
  memory_max = 16384
  disk       = 512
}
