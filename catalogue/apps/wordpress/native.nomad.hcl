# WordPress as plain processes, for development and tests: Debian's packages wordpress, php-cgi and lighttpd, with the
# themes and pictures on the volume and all else in a database of the host's MariaDB. It sends no mail.
#
# The chroot holds next to nothing: programs come from the host volumes frama-usr (/usr) and frama-native (the copy of
# WordPress that deploy/tools/get laid out, whose wp-config.php reads /secrets/wp-config.php). The agent must offer both,
# read-only. By hand:
#   nomad var put nomad/jobs/JOB title=… language=fr admin_email=… admin_password=… auth_key=… (and seven more) db_host=…
#   nomad job run -var job_id=JOB -var url=https://… -var port=20000 -var volume=… native.nomad.hcl

variable "job_id" {
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

variable "cpu" {
  type    = number # MHz
  default = 300
}

variable "memory" {
  type    = number # MiB
  default = 256
}

variable "memory_max" {
  type    = number # MiB
  default = 768
}

job "wordpress" {
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

      check {
        type     = "http"
        path     = "/wp-admin/install.php"
        interval = "3s"
        timeout  = "3s"
      }
    }

    task "wordpress" {
      driver = "exec"

      config {
        # Debian's commands "php" and "php-cgi" lead through /etc, which is not there; the ones with a version do not.
        # WordPress runs its timetable when somebody asks it to.
        command = "/usr/bin/sh"
        args = ["-ec", <<-EOT
          php=$(ls /usr/bin/php[0-9]* | tail -n 1)
          ln -sf "$(ls /usr/bin/php-cgi[0-9]* | tail -n 1)" "$NOMAD_TASK_DIR/php-cgi"
          mkdir -p /data/wp-content/uploads
          cp -r -u /native/wordpress/wp-content/. /data/wp-content/
          "$php" -f "$NOMAD_TASK_DIR/install.php"
          (while sleep 300; do "$php" -f /native/wordpress/wp-cron.php; done) &
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

      # What people typed and every secret is data: quoted as JSON in a text in which PHP sees nothing special.
      template {
        destination = "secrets/wp-config.php"
        data        = <<-EOT
          <?php
          $frama = json_decode(<<<'JSON'
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {
            "title": {{ .title.Value | toJSON }},
            "language": {{ .language.Value | toJSON }},
            "admin_email": {{ .admin_email.Value | toJSON }},
            "admin_password": {{ .admin_password.Value | toJSON }},
            "define": {
              "DB_HOST": {{ print .db_host.Value ":" .db_port.Value | toJSON }},
              "DB_NAME": {{ .db_name.Value | toJSON }},
              "DB_USER": {{ .db_user.Value | toJSON }},
              "DB_PASSWORD": {{ .db_password.Value | toJSON }},
              "AUTH_KEY": {{ .auth_key.Value | toJSON }},
              "SECURE_AUTH_KEY": {{ .secure_auth_key.Value | toJSON }},
              "LOGGED_IN_KEY": {{ .logged_in_key.Value | toJSON }},
              "NONCE_KEY": {{ .nonce_key.Value | toJSON }},
              "AUTH_SALT": {{ .auth_salt.Value | toJSON }},
              "SECURE_AUTH_SALT": {{ .secure_auth_salt.Value | toJSON }},
              "LOGGED_IN_SALT": {{ .logged_in_salt.Value | toJSON }},
              "NONCE_SALT": {{ .nonce_salt.Value | toJSON }}
            }
          }
          {{ end -}}
          JSON, true);
          foreach ($frama['define'] as $name => $value) {
            define($name, $value);
          }
          define('DB_CHARSET', 'utf8mb4');
          define('DB_COLLATE', '');
          $table_prefix = 'wp_';

          define('WP_HOME', '${var.url}');
          define('WP_SITEURL', '${var.url}');
          define('WP_CONTENT_DIR', '/data/wp-content');
          define('WPMU_PLUGIN_DIR', '/local/mu-plugins');
          define('WP_AUTO_UPDATE_CORE', false);
          define('DISALLOW_FILE_EDIT', true);
          define('WP_HTTP_BLOCK_EXTERNAL', true); // no calls to third parties
          define('DISABLE_WP_CRON', true); // the task does it

          // The ingress speaks https and says so.
          if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
            $_SERVER['HTTPS'] = 'on';
          }
          require_once ABSPATH . 'wp-settings.php';
        EOT
      }

      # Once: the tables, the first account and the language. WordPress calls itself installed as soon as it knows its
      # address, before there is an account, hence a mark of our own. After a new version of the code the tables are
      # brought up to it.
      template {
        destination = "local/install.php"
        data        = <<-EOT
          <?php
          define('WP_INSTALLING', true);
          function wp_new_blog_notification() {} // would send the password by mail
          $_SERVER += ['HTTP_HOST' => 'localhost', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
          require '/native/wordpress/wp-load.php';
          require_once ABSPATH . 'wp-admin/includes/upgrade.php';
          global $frama;
          if (!is_blog_installed() || !get_option('frama_installed')) {
            $locale = $frama['language'] === 'fr' ? 'fr_FR' : '';
            switch_to_locale($locale ?: 'en_US'); // of the first pages
            wp_install($frama['title'], 'admin', $frama['admin_email'], true, '', $frama['admin_password'], $locale);
            // It tries this by visiting itself, which is not allowed.
            update_option('permalink_structure', '/%year%/%monthnum%/%day%/%postname%/');
            update_option('frama_installed', '1');
          }
          wp_upgrade();
          exit(is_blog_installed() ? 0 : 1);
        EOT
      }

      template {
        destination = "local/mu-plugins/frama.php"
        data        = <<-EOT
          <?php
          add_filter('pre_wp_mail', '__return_false');
        EOT
      }

      template {
        destination = "local/php.ini"
        data        = <<-EOT
          expose_php = Off
          memory_limit = 128M
          post_max_size = 32M
          upload_max_filesize = 32M
          date.timezone = UTC
          display_errors = Off
          log_errors = On
          error_log = /dev/stderr
          extension = mysqlnd
          extension = mysqli
          extension = ctype
          extension = dom
          extension = xml
          extension = simplexml
          extension = xmlreader
          extension = exif
          extension = fileinfo
          extension = gd
          extension = iconv
          extension = intl
          extension = mbstring
          extension = posix
          extension = tokenizer
          zend_extension = opcache
          opcache.memory_consumption = 64
        EOT
      }

      template {
        destination = "local/lighttpd.conf"
        data        = <<-EOT
          server.modules = ("mod_access", "mod_alias", "mod_rewrite", "mod_fastcgi")
          server.bind = "{{ env "NOMAD_IP_http" }}"
          server.port = {{ env "NOMAD_PORT_http" }}
          server.document-root = "/native/wordpress"
          server.upload-dirs = ("{{ env "NOMAD_TASK_DIR" }}")
          server.max-request-size = 32768 # KiB
          index-file.names = ("index.php")
          alias.url = ("/wp-content/" => "/data/wp-content/")
          # Nothing that people put there is a program.
          $HTTP["url"] =~ "^/wp-content/uploads/.*\.ph" { url.access-deny = ("") }
          $HTTP["url"] =~ "^/wp-config" { url.access-deny = ("") }
          url.rewrite-if-not-file = ("^/(?!wp-admin/)[^?]*(\?.*)?$" => "/index.php$1")
          fastcgi.server = (".php" => ((
            "bin-path" => "{{ env "NOMAD_TASK_DIR" }}/php-cgi",
            "socket" => "{{ env "NOMAD_TASK_DIR" }}/php.sock",
            "max-procs" => 1,
            "bin-environment" => ("PHP_FCGI_CHILDREN" => "3", "PHP_FCGI_MAX_REQUESTS" => "500"),
          )))
          mimetype.assign = (
            ".html" => "text/html; charset=utf-8", ".css" => "text/css; charset=utf-8", ".js" => "text/javascript; charset=utf-8",
            ".png" => "image/png", ".jpg" => "image/jpeg", ".jpeg" => "image/jpeg", ".gif" => "image/gif", ".webp" => "image/webp",
            ".svg" => "image/svg+xml", ".ico" => "image/x-icon", ".woff2" => "font/woff2", ".woff" => "font/woff",
            ".pdf" => "application/pdf", ".mp3" => "audio/mpeg", ".mp4" => "video/mp4", "" => "application/octet-stream",
          )
        EOT
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      kill_timeout = "15s"
    }
  }
}
