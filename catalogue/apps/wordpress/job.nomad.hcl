# WordPress in production: Docker's official image, its posts in a MariaDB database.
#
# The code comes with the image and is copied at each start; the volume holds only wp-content (photos, themes, plugins),
# so that a new image is a new WordPress. frama sets ID, namespace, meta, node, update and disconnect blocks. By hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20000 -var ingress=… -var volume=… job.nomad.hcl
#   and php /local/install in the task, once.

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

variable "ingress" {
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

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 80
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
        path     = "/wp-admin/install.php"
        interval = "15s"
        timeout  = "5s"
      }
    }

    task "wordpress" {
      driver = "docker"

      user   = "www-data"

      config {
        image      = "docker.io/library/wordpress:7.1.0-php8.3-apache"
        ports      = ["http"]
        entrypoint = ["bash", "/local/start.sh"]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/www/html/wp-content"
      }

      env {
        WORDPRESS_TABLE_PREFIX = "wp_"
        PHP_INI_SCAN_DIR       = ":/local" # the image's own, then the job's

        # TLS ends at the ingress, which sets X-Forwarded-Proto. frama manages WordPress versions; themes and plugins
        # are the association's, except for editing their code in the browser.
        WORDPRESS_CONFIG_EXTRA = <<-EOT
          define('WP_HOME', '${var.url}');
          define('WP_SITEURL', '${var.url}');
          define('WP_AUTO_UPDATE_CORE', false);
          define('DISALLOW_FILE_EDIT', true);
          // Encrypted where the host says so; WordPress cannot be told an authority of the host's own.
          if (in_array(getenv('FRAMA_DB_SSLMODE'), ['require', 'verify-ca', 'verify-full'], true)) {
            define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT);
          }
          define('DISABLE_WP_CRON', true);
          define('WPMU_PLUGIN_DIR', '/local'); // frama.php
        EOT
      }

      # User input and secrets are quoted as JSON, which env files accept.
      template {
        destination = "secrets/wordpress.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          WORDPRESS_DB_HOST="{{ .db_host.Value }}:{{ .db_port.Value }}"
          WORDPRESS_DB_NAME={{ .db_name.Value | toJSON }}
          WORDPRESS_DB_USER={{ .db_user.Value | toJSON }}
          FRAMA_DB_SSLMODE={{ .db_sslmode.Value | toJSON }}
          WORDPRESS_DB_PASSWORD={{ .db_password.Value | toJSON }}
          WORDPRESS_AUTH_KEY={{ .auth_key.Value | toJSON }}
          WORDPRESS_SECURE_AUTH_KEY={{ .secure_auth_key.Value | toJSON }}
          WORDPRESS_LOGGED_IN_KEY={{ .logged_in_key.Value | toJSON }}
          WORDPRESS_NONCE_KEY={{ .nonce_key.Value | toJSON }}
          WORDPRESS_AUTH_SALT={{ .auth_salt.Value | toJSON }}
          WORDPRESS_SECURE_AUTH_SALT={{ .secure_auth_salt.Value | toJSON }}
          WORDPRESS_LOGGED_IN_SALT={{ .logged_in_salt.Value | toJSON }}
          WORDPRESS_NONCE_SALT={{ .nonce_salt.Value | toJSON }}
          FRAMA_TITLE={{ .title.Value | toJSON }}
          FRAMA_LANGUAGE={{ .language.Value | toJSON }}
          FRAMA_ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          FRAMA_ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          FRAMA_SMTP_HOST={{ .smtp_host.Value | toJSON }}
          FRAMA_SMTP_PORT={{ .smtp_port.Value | toJSON }}
          FRAMA_SMTP_USER={{ .smtp_user.Value | toJSON }}
          FRAMA_SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
          FRAMA_SMTP_FROM={{ .smtp_from.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # The image takes themes and plugins on the volume for the association's, even if its own copying was interrupted:
      # the marker file records that. WordPress' built-in scheduler would send requests to itself.
      template {
        destination = "local/start.sh"
        data        = <<-EOT
          set -eu
          cd /var/www/html
          mark=wp-content/.first-start
          [ -e wp-content/themes ] || touch "$mark"
          if [ -e "$mark" ]; then
            rm -rf wp-content/themes wp-content/plugins
            docker-ensure-installed.sh true
            rm "$mark"
          fi
          (while sleep 300; do php wp-cron.php || true; done) &
          exec docker-entrypoint.sh apache2-foreground -c "Include /local/apache.conf"
        EOT
      }

      # PHP's default limits are too small for phone photos.
      template {
        destination = "local/frama.ini"
        data        = <<-EOT
          expose_php = Off
          memory_limit = 256M
          post_max_size = 64M
          upload_max_filesize = 64M
        EOT
      }

      # Runs once: creates the tables, the first account and the language. Safe to repeat. WordPress considers itself
      # installed before there is an account, so an interrupted installation is detected by the missing account and
      # finished.
      template {
        destination = "local/install"
        data        = <<-EOT
          <?php
          define('WP_INSTALLING', true);
          function wp_new_blog_notification() {} // would send the password by mail
          $_SERVER += ['HTTP_HOST' => 'localhost', 'REQUEST_URI' => '/', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
          require '/var/www/html/wp-load.php';
          require_once ABSPATH . 'wp-admin/includes/upgrade.php';
          require_once ABSPATH . 'wp-admin/includes/translation-install.php';
          function frama_ready() {
            $admin = is_blog_installed() ? get_user_by('login', 'admin') : false;
            return $admin && $admin->has_cap('administrator');
          }
          if (!frama_ready()) {
            $locale = getenv('FRAMA_LANGUAGE') === 'fr' ? 'fr_FR' : '';
            if ($locale !== '' && !in_array($locale, get_available_languages(), true)) {
              $locale = wp_can_install_language_pack() ? (wp_download_language_pack($locale) ?: '') : '';
            }
            switch_to_locale($locale ?: 'en_US'); // of the first pages
            // It would try addresses with words by visiting itself.
            $addresses = function () { return '/%year%/%monthnum%/%day%/%postname%/'; };
            add_filter('pre_option_permalink_structure', $addresses);
            $password = getenv('FRAMA_ADMIN_PASSWORD');
            wp_install(getenv('FRAMA_TITLE'), 'admin', getenv('FRAMA_ADMIN_EMAIL'), true, '', $password, $locale);
            remove_filter('pre_option_permalink_structure', $addresses);
            update_option('permalink_structure', $addresses());
          }
          exit(frama_ready() ? 0 : 1);
        EOT
      }

      # A plugin that cannot be disabled: it sends mail through the host's server, and migrates the database at the
      # first request after an image upgrade instead of when somebody opens the administration.
      template {
        destination = "local/frama.php"
        data        = <<-EOT
          <?php
          add_action('phpmailer_init', function ($mail) {
            $mail->isSMTP();
            $mail->Host = getenv('FRAMA_SMTP_HOST');
            $mail->Port = (int) getenv('FRAMA_SMTP_PORT');
            $mail->SMTPSecure = $mail->Port === 465 ? 'ssl' : '';
            $mail->SMTPAuth = (string) getenv('FRAMA_SMTP_USER') !== '';
            $mail->Username = getenv('FRAMA_SMTP_USER');
            $mail->Password = getenv('FRAMA_SMTP_PASSWORD');
          });
          add_filter('wp_mail_from', function () {
            return getenv('FRAMA_SMTP_FROM');
          });
          // Nothing of visitors goes to third parties: no pictures from Gravatar, no signs drawn at w.org.
          add_filter('pre_option_show_avatars', '__return_zero');
          add_filter('emoji_svg_url', '__return_false');
          remove_action('wp_head', 'print_emoji_detection_script', 7);
          remove_action('admin_print_scripts', 'print_emoji_detection_script');
          add_action('init', function () {
            global $wpdb, $wp_db_version;
            if (wp_installing() || (int) get_option('db_version') >= $wp_db_version) {
              return;
            }
            // One visitor does it; the others go on without waiting.
            if ($wpdb->get_var("SELECT GET_LOCK(CONCAT('frama-upgrade-', DATABASE()), 0)") !== '1') {
              return;
            }
            require_once ABSPATH . 'wp-admin/includes/upgrade.php';
            wp_upgrade();
          }, 0);
        EOT
      }

      # An Apache process takes up to 64 MiB: limit their number to what fits.
      template {
        destination = "local/apache.conf"
        perms       = "0444"
        data        = <<-EOT
          # The image knows private addresses only.
          RemoteIPInternalProxy ${var.ingress}
          <IfModule mpm_prefork_module>
            StartServers 2
            MinSpareServers 2
            MaxSpareServers 4
            MaxRequestWorkers ${max(5, floor(var.memory_max / 64))}
            MaxConnectionsPerChild 1000
          </IfModule>
        EOT
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      kill_timeout = "30s"
    }
  }
}
