# Sympa in production: an image that the host builds, with the pages (nginx and FastCGI), the daemons, and a mail server
# (Postfix) in one container.
#
# Contents of the image sympa:6.2.80, with the paths of upstream's packages:
#   - Sympa 6.2.80 with its drivers for PostgreSQL, configured so that all that changes lies below /var/lib/sympa
#     (/var/spool/sympa links to /var/lib/sympa/spool); its settings in /etc/sympa/sympa.conf; a user sympa, number 1000;
#   - /usr/sbin/{sympa_msg,bulk,archived,bounced,task_manager}.pl, /usr/bin/sympa,
#     /usr/libexec/sympa/{wwsympa.fcgi,sympa_soap_server.fcgi,queue,bouncequeue}, /usr/share/sympa/static_content;
#   - bash, busybox with syslogd, nginx, spawn-fcgi, multiwatch, msmtp, and Postfix with hash tables.
#
# Mail for the lists: the host's mail server (the MX, which filters) passes it on to the port of the service <job>-smtp.
# Mail from the lists: Postfix hands it to the host's relay, which must let this account send as any address of the domain.
#
# More mail domains: a folder /var/lib/sympa/etc/<domain>/ with a robot.conf, then a restart.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var ingress=… -var volume=… (and the others without a default) job.nomad.hcl

variable "job_id" {
  type = string
}

variable "host" {
  type = string
}

variable "url" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

variable "ingress" {
  type = string
}

variable "registry" {
  type = string
}

variable "cpu" {
  type    = number # MHz
  default = 300
}

variable "memory" {
  type    = number # MiB
  default = 768
}

variable "memory_max" {
  type    = number # MiB
  default = 1536
}

locals {
  settings = <<-EOT
    {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
    domain ${var.host}
    listmaster {{ .listmaster.Value | replaceAll "\n" " " }}
    title {{ .title.Value | replaceAll "\n" " " }}
    gecos {{ .title.Value | replaceAll "\n" " " }}
    lang {{ .language.Value | replaceAll "\n" " " }}
    supported_lang fr,en-US
    cookie {{ .cookie.Value }}
    wwsympa_url ${var.url}/sympa
    soap_url ${var.url}/sympasoap
    static_content_url /static-sympa
    css_url /css-sympa
    css_path /var/lib/sympa/css
    pictures_url /pictures-sympa
    pictures_path /var/lib/sympa/pictures
    etc /var/lib/sympa/etc
    home /var/lib/sympa/list_data
    db_type PostgreSQL
    db_host {{ .db_host.Value }}
    db_port {{ .db_port.Value }}
    db_name {{ .db_name.Value }}
    db_user {{ .db_user.Value }}
    db_passwd {{ .db_password.Value }}
    sendmail /usr/bin/msmtp
    sendmail_args --host=127.0.0.1 --port=25 --auth=off --tls=off
    sendmail_aliases /var/lib/sympa/etc/transport
    aliases_program postmap
    aliases_db_type hash
    aliases_wrapper off
    create_list public_listmaster
    bounce_warn_rate 20
    bounce_halt_rate 50
    purge_orphan_bounces_task monthly
    {{ end -}}
  EOT
}

job "sympa" {
  id   = "${var.job_id}"
  type = "service"

  # The first start creates the database, which takes longer than Nomad's default deadline.
  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8080
      }
      port "smtp" {
        to = 25
      }
    }

    volume "data" {
      source = var.volume
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/sympa"
        interval = "10s"
        timeout  = "5s"
      }
    }

    service {
      name     = "${var.job_id}-smtp"
      port     = "smtp"
      provider = "nomad"

      check {
        type     = "tcp"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "sympa" {
      driver = "docker"

      config {
        image   = "${var.registry}/sympa:6.2.80"
        ports   = ["http", "smtp"]
        command = "bash"
        args    = ["/local/start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/lib/sympa"
      }

      # If one of its programs exits, all exit, and Nomad restarts them.
      template {
        destination = "local/start.sh"
        data        = <<-EOT
          set -eu
          stop() { kill $(jobs -p) 2>/dev/null || true; }
          trap stop INT TERM
          as_sympa() { exec setpriv --reuid=sympa --regid=sympa --clear-groups "$@"; }
          etc=/var/lib/sympa/etc
          ln -sfn /secrets/sympa.conf /etc/sympa/sympa.conf
          mkdir -p $etc /run/sympa /var/lib/sympa/{list_data,arc,bounce,css,pictures,postfix}
          mkdir -p /var/lib/sympa/spool/{msg,digest,moderation,automatic,auth,bounce,bulk,outgoing,subscribe,task,tmp,topic}
          cp /local/list_aliases.tt2 $etc/

          # Sympa keeps the digest of the password of an application that may act for the listmaster.
          digest=$(printf %s "$SOAP_PASSWORD" | md5sum | cut -d' ' -f1)
          umask 027
          {
            echo trusted_application
            echo name frama
            echo md5password $digest
            echo proxy_for_variables USER_EMAIL
            echo allow_commands createList,closeList,info,lists
          } > $etc/trusted_applications.conf
          umask 022

          # As upstream's manual has it for virtual domains: each list has its lines in a table, and an unknown address is
          # refused while the sender is still there.
          domains=${var.host}
          for robot in $etc/*/robot.conf; do
            [ ! -e "$robot" ] || domains="$domains $(basename "$(dirname "$robot")")"
          done
          : > $etc/transport.robots
          for domain in $domains; do
            printf 'sympa@%s sympa:sympa@%s\nlistmaster@%s sympa:listmaster@%s\nbounce@%s sympabounce:sympa@%s\n' \
              $domain $domain $domain $domain $domain $domain >> $etc/transport.robots
            printf 'abuse-feedback-report@%s sympabounce:sympa@%s\n' $domain $domain >> $etc/transport.robots
          done
          touch $etc/transport
          postmap hash:$etc/transport.robots
          postmap hash:$etc/transport
          chown sympa:sympa /run/sympa $etc $etc/* /var/lib/sympa /var/lib/sympa/{list_data,arc,bounce,css,pictures,spool} /var/lib/sympa/spool/*

          # What waits to be sent lasts.
          postconf -e "queue_directory = /var/lib/sympa/postfix" "maillog_file = /dev/stdout"
          postconf -e "myhostname = ${var.host}" "mydestination =" "mynetworks = 127.0.0.0/8" "inet_interfaces = all"
          postconf -e "virtual_mailbox_domains = $domains" "message_size_limit = 20971520"
          postconf -e "virtual_mailbox_maps = hash:$etc/transport.robots, hash:$etc/transport"
          postconf -e "transport_maps = hash:$etc/transport.robots, hash:$etc/transport"
          postconf -e "sympa_destination_recipient_limit = 1" "sympabounce_destination_recipient_limit = 1"
          postconf -e "alias_maps =" "alias_database =" "smtpd_peername_lookup = no"
          postconf -e "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination"
          postconf -e "relayhost = [$RELAY_HOST]:$RELAY_PORT" "smtp_sasl_security_options = noanonymous"
          relay=smtp_sasl_password_maps
          postconf -e "$relay = texthash:/secrets/relay"
          # A password never goes in the clear.
          if [ -n "$RELAY_USER" ]; then
            postconf -e "smtp_sasl_auth_enable = yes" "smtp_tls_security_level = encrypt"
          else
            postconf -e "smtp_tls_security_level = may"
          fi
          if [ "$RELAY_PORT" = 465 ]; then
            postconf -e "smtp_tls_wrappermode = yes" "smtp_tls_security_level = encrypt"
          fi
          pipe='unix - n n - - pipe flags=hqRu null_sender= user=sympa argv=/usr/libexec/sympa'
          postconf -M "sympa/unix=sympa $pipe/queue \$${nexthop}"
          postconf -M "sympabounce/unix=sympabounce $pipe/bouncequeue \$${nexthop}"

          busybox syslogd -n -O - &
          until [ -S /dev/log ]; do sleep 0.1; done
          # Makes tables and folders; what an older version made is brought up to this one.
          (as_sympa sympa check)
          if [ -s $etc/data_structure.version ]; then
            (as_sympa sympa upgrade)
          else
            (as_sympa sympa version) | cut -d ' ' -f 2 > $etc/data_structure.new
            chown sympa:sympa $etc/data_structure.new
            mv $etc/data_structure.new $etc/data_structure.version
          fi
          postfix start-fg &
          for name in sympa_msg bulk archived bounced task_manager; do
            as_sympa /usr/sbin/$name.pl --foreground &
          done
          page() {
            spawn-fcgi -n -s /run/sympa/$1.socket -u sympa -g sympa -M 0666 -- \
              /usr/bin/multiwatch -f $2 -- /usr/libexec/sympa/$1.fcgi
          }
          page wwsympa 2 &
          page sympa_soap_server 1 &
          nginx -e stderr -c /local/nginx.conf -g 'daemon off;' &
          wait -n || true
          stop
          wait
        EOT
      }

      template {
        destination = "local/nginx.conf"
        data        = <<-EOT
          error_log /dev/stderr warn;
          events {}
          http {
            include /etc/nginx/mime.types;
            access_log off; # the ingress keeps one
            set_real_ip_from ${join("; set_real_ip_from ", split(" ", var.ingress))};
            real_ip_header X-Forwarded-For;
            server {
              listen 8080;
              client_max_body_size 30m;
              absolute_redirect off;

              location = / { return 302 /sympa; }
              location /static-sympa/ { alias /usr/share/sympa/static_content/; }
              location /css-sympa/ { alias /var/lib/sympa/css/; }
              location /pictures-sympa/ { alias /var/lib/sympa/pictures/; }

              location /sympasoap {
                include /etc/nginx/fastcgi_params;
                fastcgi_param HTTPS on;
                fastcgi_param SERVER_NAME ${var.host};
                fastcgi_param HTTP_HOST ${var.host};
                fastcgi_pass unix:/run/sympa/sympa_soap_server.socket;
              }

              location /sympa {
                include /etc/nginx/fastcgi_params;
                fastcgi_split_path_info ^(/sympa)(.*)$;
                fastcgi_param PATH_INFO $fastcgi_path_info;
                fastcgi_param HTTPS on;
                fastcgi_param SERVER_NAME ${var.host};
                fastcgi_param HTTP_HOST ${var.host}; # also of Nomad's check, which asks by address
                fastcgi_pass unix:/run/sympa/wwsympa.socket;
              }
            }
          }
        EOT
      }

      template {
        destination = "local/list_aliases.tt2"
        data        = <<-EOT
          #--- [% list.name %]@[% list.domain %], created [% date %]
          [% list.name %]@[% list.domain %] sympa:[% list.name %]@[% list.domain %]
          [% list.name %]-request@[% list.domain %] sympa:[% list.name %]-request@[% list.domain %]
          [% list.name %]-editor@[% list.domain %] sympa:[% list.name %]-editor@[% list.domain %]
          [% list.name %]-unsubscribe@[% list.domain %] sympa:[% list.name %]-unsubscribe@[% list.domain %]
          [% list.name %][% return_path_suffix %]@[% list.domain %] sympabounce:[% list.name %]@[% list.domain %]
        EOT
      }

      template {
        destination = "secrets/relay"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ if .smtp_user.Value -}}
          [{{ .smtp_host.Value }}]:{{ .smtp_port.Value }} {{ .smtp_user.Value }}:{{ .smtp_password.Value }}
          {{ end -}}
          {{ end -}}
        EOT
      }

      template {
        destination = "secrets/sympa.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          SOAP_PASSWORD={{ .soap_password.Value | toJSON }}
          RELAY_HOST={{ .smtp_host.Value | toJSON }}
          RELAY_PORT={{ .smtp_port.Value | toJSON }}
          RELAY_USER={{ .smtp_user.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # Readable by the user sympa.
      template {
        destination = "secrets/sympa.conf"
        perms       = "0444"
        data        = local.settings
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      kill_timeout = "60s" # for messages in progress
    }
  }
}
