# Roundcube as plain processes, for development and tests: Debian's packages roundcube-core, php-cgi and lighttpd, with
# SQLite on the volume. A webmail without a mailbox shows nothing, so it brings one: essai@<host>, in Debian's Dovecot, with
# the password des_key, which the manifest has anyway. It sends no mail. The settings are those of Dovecot 2.3 (Debian 12);
# 2.4 writes them in another way.
#
# The chroot holds next to nothing: programs come from the host volumes frama-usr (/usr) and frama-native (the copy of
# Roundcube that deploy/tools/get laid out, whose configuration is /secrets/config.inc.php). The agent must offer both,
# read-only. By hand:
#   nomad var put nomad/jobs/JOB des_key=…
#   nomad job run -var job_id=JOB -var host=… -var port=20000 -var volume=… native.nomad.hcl

variable "job_id" {
  type = string
}

variable "host" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

variable "cpu" {
  type    = number # MHz
  default = 200
}

variable "memory" {
  type    = number # MiB
  default = 192
}

variable "memory_max" {
  type    = number # MiB
  default = 512
}

# What is reserved is for both tasks together.
locals {
  mailbox_cpu        = floor(var.cpu / 4)
  mailbox_memory     = floor(var.memory / 4)
  mailbox_memory_max = floor(var.memory_max / 4)
}

job "roundcube" {
  id   = "${var.job_id}"
  type = "service"

  # frama overrides these; by hand the default of 10 s would double the wait.
  update {
    min_healthy_time  = "1s"
    healthy_deadline  = "2m"
    progress_deadline = "3m"
  }

  group "app" {
    # A port that its last owner has not left yet is free a moment later; Nomad's default would wait 15 s.
    restart {
      attempts = 10
      interval = "2m"
      delay    = "1s"
      mode     = "fail"
    }

    network {
      port "http" {
        static = var.port
      }
      port "imap" {}
    }

    volume "data" {
      source = var.volume
    }

    volume "usr" {
      type      = "host"
      source    = "frama-usr"
      read_only = true
    }

    volume "native" {
      type      = "host"
      source    = "frama-native"
      read_only = true
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      # Each visit without a cookie leaves a session in the database until it expires: not too often.
      check {
        type     = "http"
        path     = "/"
        interval = "10s"
        timeout  = "3s"
      }
    }

    # Everything runs as the one user that the task is, hence the settings that elsewhere name others.
    task "mailbox" {
      driver = "exec"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        command = "/usr/sbin/dovecot"
        args    = ["-F", "-c", "${NOMAD_TASK_DIR}/dovecot.conf"]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }

      template {
        destination = "secrets/users"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          essai@${var.host}:{PLAIN}{{ .des_key.Value }}
          {{ end -}}
        EOT
      }

      template {
        destination = "local/dovecot.conf"
        data        = <<-EOT
          base_dir = {{ env "NOMAD_TASK_DIR" }}/run
          state_dir = {{ env "NOMAD_TASK_DIR" }}/run
          log_path = /dev/stderr
          protocols = imap
          listen = {{ env "NOMAD_IP_imap" }}
          ssl = no
          disable_plaintext_auth = no
          default_internal_user = nobody
          default_internal_group = nogroup
          default_login_user = nobody
          first_valid_uid = 1
          mail_location = maildir:/data/mail/%u
          passdb {
            driver = passwd-file
            args = {{ env "NOMAD_SECRETS_DIR" }}/users
          }
          userdb {
            driver = static
            args = uid=nobody gid=nogroup home=/data/mail/%u
          }
          service anvil {
            chroot =
          }
          service imap-login {
            chroot =
            inet_listener imap {
              port = {{ env "NOMAD_PORT_imap" }}
            }
            inet_listener imaps {
              port = 0
            }
          }
          namespace inbox {
            inbox = yes
            mailbox Drafts {
              auto = subscribe
              special_use = \Drafts
            }
            mailbox Sent {
              auto = subscribe
              special_use = \Sent
            }
            mailbox Trash {
              auto = subscribe
              special_use = \Trash
            }
          }
        EOT
      }

      resources {
        cpu        = local.mailbox_cpu
        memory     = local.mailbox_memory
        memory_max = local.mailbox_memory_max
      }

      kill_timeout = "15s"
    }

    task "roundcube" {
      driver = "exec"

      config {
        # Debian's commands "php" and "php-cgi" lead through /etc, which is not there; the ones with a version do not.
        command = "/usr/bin/sh"
        args = ["-ec", <<-EOT
          ln -sf "$(ls /usr/bin/php-cgi[0-9]* | tail -n 1)" "$NOMAD_TASK_DIR/php-cgi"
          mkdir -p "$NOMAD_TASK_DIR/temp" "$NOMAD_TASK_DIR/logs"
          "$(ls /usr/bin/php[0-9]* | tail -n 1)" -f "$NOMAD_TASK_DIR/database.php"
          exec lighttpd -D -f "$NOMAD_TASK_DIR/lighttpd.conf"
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }

      volume_mount {
        volume      = "native"
        destination = "/native"
        read_only   = true
      }

      env {
        PATH  = "/usr/bin:/usr/sbin:/bin"
        HOME  = "${NOMAD_TASK_DIR}"
        PHPRC = "${NOMAD_TASK_DIR}" # the folder of php.ini

        # The list of extensions in /etc/php is not there: php.ini has its own.
        PHP_INI_SCAN_DIR = ""
      }

      template {
        destination = "secrets/config.inc.php"
        data        = <<-EOT
          <?php
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          $config['des_key'] = base64_decode('{{ .des_key.Value | base64Encode }}');
          {{ end -}}
          $config['db_dsnw'] = 'sqlite:////data/roundcube.db?mode=0600';
          $config['imap_host'] = '{{ env "NOMAD_ADDR_imap" }}';
          $config['smtp_host'] = '{{ env "NOMAD_IP_imap" }}:9'; // nothing is there
          $config['username_domain'] = '${var.host}';
          $config['drafts_mbox'] = 'Drafts';
          $config['sent_mbox'] = 'Sent';
          $config['trash_mbox'] = 'Trash';
          $config['use_https'] = ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https';
          $config['session_samesite'] = 'Lax';
          $config['ip_check'] = false;
          $config['login_rate_limit'] = 3;
          $config['enable_installer'] = false;
          $config['enable_spellcheck'] = false;
          $config['skin'] = 'elastic';
          $config['useragent'] = 'Webmail';
          $config['temp_dir'] = '/local/temp/';
          $config['log_dir'] = '/local/logs/';
          $config['log_logins'] = false;
        EOT
      }

      # The tables, and after a new version of the code what it changed in them.
      template {
        destination = "local/database.php"
        data        = <<-EOT
          <?php
          define('INSTALL_PATH', '/native/roundcube/');
          require_once INSTALL_PATH . 'program/include/clisetup.php';
          $db = rcmail_utils::db();
          if (!in_array($db->table_name('system'), $db->list_tables())) {
            rcmail_utils::db_init(INSTALL_PATH . 'SQL');
          }
          rcmail_utils::db_update(INSTALL_PATH . 'SQL', 'roundcube', null, ['errors' => true]);
        EOT
      }

      template {
        destination = "local/php.ini"
        data        = <<-EOT
          expose_php = Off
          memory_limit = 128M
          post_max_size = 26M
          upload_max_filesize = 25M
          date.timezone = UTC
          display_errors = Off
          log_errors = On
          error_log = /dev/stderr
          include_path = ".:/usr/share/php"
          session.save_path = /local/temp
          extension = ctype
          extension = dom
          extension = exif
          extension = fileinfo
          extension = gd
          extension = iconv
          extension = intl
          extension = mbstring
          extension = pdo
          extension = pdo_sqlite
          extension = posix
          extension = sockets
          extension = xml
          zend_extension = opcache
          opcache.memory_consumption = 64
        EOT
      }

      # Of the code's folder, only what browsers need.
      template {
        destination = "local/lighttpd.conf"
        data        = <<-EOT
          server.modules = ("mod_access", "mod_fastcgi")
          server.bind = "{{ env "NOMAD_IP_http" }}"
          server.port = {{ env "NOMAD_PORT_http" }}
          server.document-root = "/native/roundcube"
          server.upload-dirs = ("{{ env "NOMAD_TASK_DIR" }}")
          server.max-request-size = 26624 # KiB
          index-file.names = ("index.php")
          $HTTP["url"] !~ "^/(|index\.php|(skins|plugins|program/js|program/resources)/.*)$" { url.access-deny = ("") }
          static-file.exclude-extensions = (".php", ".inc", ".sh", ".html", ".json", ".less")
          fastcgi.server = ("/index.php" => ((
            "bin-path" => "{{ env "NOMAD_TASK_DIR" }}/php-cgi",
            "socket" => "{{ env "NOMAD_TASK_DIR" }}/php.sock",
            "max-procs" => 1,
            "bin-environment" => ("PHP_FCGI_CHILDREN" => "2", "PHP_FCGI_MAX_REQUESTS" => "500"),
          )))
          mimetype.assign = (
            ".css" => "text/css; charset=utf-8", ".js" => "text/javascript; charset=utf-8",
            ".png" => "image/png", ".jpg" => "image/jpeg", ".gif" => "image/gif", ".svg" => "image/svg+xml",
            ".ico" => "image/x-icon", ".woff2" => "font/woff2", ".woff" => "font/woff", ".mp3" => "audio/mpeg",
            "" => "application/octet-stream",
          )
        EOT
      }

      resources {
        cpu        = var.cpu - local.mailbox_cpu
        memory     = var.memory - local.mailbox_memory
        memory_max = var.memory_max - local.mailbox_memory_max
      }

      kill_timeout = "15s"
    }
  }
}
