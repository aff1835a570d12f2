name      = "roundcube"
kind      = "webmail"
status    = "beta"
preferred = true

title {
  fr = "Roundcube"
  en = "Roundcube"
}

description {
  fr = "Lire et écrire ses courriels depuis n’importe quel navigateur, avec un carnet d’adresses et des modèles de réponse. On se connecte avec l’adresse et le mot de passe de sa boîte."
  en = "Read and write mail from any browser, with an address book and ready-made answers. You sign in with your mailbox’s address and password."
}

license    = "GPL-3.0-or-later"
charter_ok = true
upstream   = "https://github.com/roundcube/roundcubemail"
docs = [
  "https://github.com/roundcube/roundcubemail-docker",
  "https://github.com/roundcube/roundcubemail/wiki/Configuration",
]
unverified = [
  "Mailboxes are looked for on the host's mail server (smtp_host) by IMAP with TLS on port 993: a host with another server for them changes the job.",
  "Without a mailbox, nothing can be written: the check reads the form to sign in, which takes the database and its tables.",
]

tenancy   = "shared" # mailboxes have accounts already, and see only themselves
first_url = "/"
backup    = "dump"          # address books and settings; mail is on the mail server
upgrade   = "auto-on-start" # the image brings the tables up to it
suspend   = "proxy"
quota     = "ingress"

version = "1.7.1"
tasks   = ["roundcube"]
needs   = ["postgres", "smtp"]

health {
  path   = "/"
  status = 200
}

image "roundcube" {
  reference = "docker.io/roundcube/roundcubemail:1.7.1-apache-nonroot"
}

check "write" {
  request "form" {
    path     = "/?_task=login"
    contains = "name=\"_pass\""
    capture "form_token" {
      pattern = "name=\"_token\" value=\"([^\"]+)\""
    }
  }
}

check "read" {
  request "form" {
    path     = "/?_task=login"
    contains = "name=\"_token\""
  }
}

# The tables are made: the form begins a session there.
check "opening" {
  request "form" {
    path     = "/?_task=login"
    contains = "name=\"_pass\""
    capture "form_token" {
      pattern = "name=\"_token\" value=\"([^\"]+)\""
    }
  }
}

usage "accounts" {
  from  = "sql"
  query = "SELECT COUNT(*) FROM users"
}

# Debian's, with a mailbox of its own to sign in to: a contact in the address book is written and found.
variant "native" {
  version = "1.6.5"
  tasks   = ["roundcube", "mailbox"]

  health {
    path   = "/"
    status = 200
  }

  check "write" {
    request "form" {
      path = "/?_task=login"
      capture "form_token" {
        pattern = "name=\"_token\" value=\"([^\"]+)\""
      }
    }
    request "sign-in" {
      method       = "POST"
      path         = "/?_task=login"
      content_type = "application/x-www-form-urlencoded"
      body         = "_token={form_token}&_task=login&_action=login&_user=essai&_pass={des_key}"
      status       = 302
    }
    request "address-book" {
      path = "/?_task=addressbook"
      capture "session_token" {
        pattern = "\"request_token\":\"([^\"]+)\""
      }
    }
    request "contact" {
      method       = "POST"
      path         = "/?_task=addressbook&_action=save"
      content_type = "application/x-www-form-urlencoded"
      body         = "_token={session_token}&_framed=1&_source=0&_firstname={object}&_surname=Essai&_name={object}+Essai"
      contains     = "\"confirmation\""
    }
  }

  check "read" {
    request "form" {
      path = "/?_task=login"
      capture "read_form_token" {
        pattern = "name=\"_token\" value=\"([^\"]+)\""
      }
    }
    request "sign-in" {
      method       = "POST"
      path         = "/?_task=login"
      content_type = "application/x-www-form-urlencoded"
      body         = "_token={read_form_token}&_task=login&_action=login&_user=essai&_pass={des_key}"
      status       = 302
    }
    request "inbox" {
      path = "/?_task=mail"
      capture "read_session_token" {
        pattern = "\"request_token\":\"([^\"]+)\""
      }
    }
    request "search" {
      path     = "/?_task=addressbook&_action=search&_remote=1&_source=0&_q={object}"
      headers  = { "X-Roundcube-Request" = "{read_session_token}" }
      contains = "{object} Essai"
    }
  }

  usage "accounts" {
    from = "exec"
    task = "roundcube"
    command = ["/usr/bin/sh", "-ec", <<-EOT
      "$(ls /usr/bin/php[0-9]* | tail -n 1)" -r '
        $db = new PDO("sqlite:/data/roundcube.db");
        echo $db->query("SELECT COUNT(*) FROM users")->fetchColumn();
      '
    EOT
    ]
  }
}

# Encrypts the password of a mailbox for as long as somebody is signed in: exactly 24 characters. A new one signs
# everybody out.
secret "des_key" {
  length = 24
  kind   = "rotatable"
}

plan "starter" {
  cpu        = 200
  memory     = 192
  memory_max = 512
  disk       = 256
}

plan "standard" {
  cpu        = 400
  memory     = 384
  memory_max = 1024
  disk       = 256
}

plan "large" {
  cpu        = 1000
  memory     = 768
  memory_max = 2048
  disk       = 256
}
