name      = "sympa"
kind      = "lists"
status    = "beta"
preferred = true

title {
  fr = "Sympa"
  en = "Sympa"
}

description {
  fr = "Des listes de diffusion et de discussion par courriel : lettres d’information, listes d’équipes, archives, modération. Une page permet de s’abonner, de se désabonner et de gérer la liste. La création d’une liste est relue par votre hébergeur."
  en = "Mailing lists to announce and to discuss: newsletters, team lists, archives, moderation. A page lets people subscribe, unsubscribe and run the list. Your host reviews the creation of a list."
}

license    = "GPL-2.0-or-later"
charter_ok = true
upstream   = "https://github.com/sympa-community/sympa"
docs = [
  "https://github.com/sympa-community/sympa-community.github.io/blob/master/manual/install/configure-mail-server-postfix.md",
  "https://github.com/sympa-community/sympa/blob/6.2.80/src/lib/Sympa/Config/Schema.pm",
  "https://github.com/sympa-community/sympa/blob/6.2.80/src/lib/Sympa/WWW/SOAP.pm",
]
unverified = [
  "The job was tried with an image of Debian's 6.2.70, on which mail came in and went out; nobody publishes one of 6.2.80.",
  "Mail comes in by a port of Nomad's dynamic range, named in the service <job>-smtp: the host's mail server has to look it up and pass mail for the lists' domain on.",
]

tenancy   = "shared" # one service, many mail domains; an association does not see another's lists
first_url = "/sympa"
backup    = "quiesce+dump+files" # lists are files, their members are in the database
upgrade   = "migrate-command"    # at each start
suspend   = "proxy"
quota     = "app-create"

egress       = "none"
capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"]

version = "6.2.80"
tasks   = ["sympa"]
needs   = ["postgres", "smtp"]

postgres {
  version = 12
}

image "sympa" {
  reference = "sympa:6.2.80"
  build     = "https://github.com/sympa-community/sympa/tree/6.2.80"
}

health {
  path   = "/sympa"
  status = 200
}

volume {
  uid = 1000
  gid = 1000
}

# frama creates and counts lists with it.
secret "soap_password" {
  length = 48
  kind   = "rotatable"
}

# Part of the links in mails already sent.
secret "cookie" {
  length = 32
  kind   = "permanent"
}

value "title" {
  from = "association"
}

value "listmaster" {
  from = "email"
}

value "language" {
  from = "language"
}

check "write" {
  request "create" {
    method       = "POST"
    path         = "/sympasoap"
    content_type = "text/xml; charset=utf-8"
    headers      = { "SOAPAction" = "\"urn:sympasoap#authenticateRemoteAppAndRun\"" }
    body         = "<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:xsd='http://www.w3.org/2001/XMLSchema' xmlns:enc='http://schemas.xmlsoap.org/soap/encoding/' soap:encodingStyle='http://schemas.xmlsoap.org/soap/encoding/'><soap:Body><s:authenticateRemoteAppAndRun xmlns:s='urn:sympasoap'><appname xsi:type='xsd:string'>frama</appname><apppassword xsi:type='xsd:string'>{soap_password}</apppassword><vars xsi:type='xsd:string'>USER_EMAIL={listmaster}</vars><service xsi:type='xsd:string'>createList</service><parameters enc:arrayType='xsd:string[5]' xsi:type='enc:Array'><item xsi:type='xsd:string'>essai-{object}</item><item xsi:type='xsd:string'>Essai {object}</item><item xsi:type='xsd:string'>discussion_list</item><item xsi:type='xsd:string'>Essai {object}</item><item xsi:type='xsd:string'>other</item></parameters></s:authenticateRemoteAppAndRun></soap:Body></soap:Envelope>"
    lacks        = "faultstring"
  }
}

check "read" {
  request "info" {
    method       = "POST"
    path         = "/sympasoap"
    content_type = "text/xml; charset=utf-8"
    headers      = { "SOAPAction" = "\"urn:sympasoap#authenticateRemoteAppAndRun\"" }
    body         = "<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:xsd='http://www.w3.org/2001/XMLSchema' xmlns:enc='http://schemas.xmlsoap.org/soap/encoding/' soap:encodingStyle='http://schemas.xmlsoap.org/soap/encoding/'><soap:Body><s:authenticateRemoteAppAndRun xmlns:s='urn:sympasoap'><appname xsi:type='xsd:string'>frama</appname><apppassword xsi:type='xsd:string'>{soap_password}</apppassword><vars xsi:type='xsd:string'>USER_EMAIL={listmaster}</vars><service xsi:type='xsd:string'>info</service><parameters enc:arrayType='xsd:string[1]' xsi:type='enc:Array'><item xsi:type='xsd:string'>essai-{object}</item></parameters></s:authenticateRemoteAppAndRun></soap:Body></soap:Envelope>"
    contains     = "essai-{object}@"
  }
}

usage "lists" {
  from  = "sql"
  query = "select count(*) from list_table where status_list = 'open'"
}

usage "accounts" {
  from  = "sql"
  query = "select count(distinct user_subscriber) from subscriber_table"
}

plan "starter" {
  cpu        = 300
  memory     = 768 # eight Perl processes of 90 MB each
  memory_max = 1536
  disk       = 5120
}

plan "standard" {
  cpu        = 600
  memory     = 1024
  memory_max = 2048
  disk       = 20480
}

plan "large" {
  cpu        = 1200
  memory     = 1536
  memory_max = 4096
  disk       = 102400
}
