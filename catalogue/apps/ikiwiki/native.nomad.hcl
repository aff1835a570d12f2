# ikiwiki as a plain process, for development and tests: polls in the pages of a wiki, of Debian's packages ikiwiki and
# lighttpd.
#
# The chroot holds next to nothing: programs come from the host volume frama-usr (/usr), so that a start copies no files.
# The agent must offer it, read-only, and link /bin, /lib and /lib64 into /usr. By hand:
#   nomad var put nomad/jobs/JOB title=… language=fr admin_email=…
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
  default = 50
}

variable "memory" {
  type    = number # MiB
  default = 96
}

variable "memory_max" {
  type    = number # MiB
  default = 256
}

job "ikiwiki" {
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

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "ikiwiki" {
      driver = "exec"

      config {
        # The pages, with the votes, are on the volume; what is made of them is made anew at each start, in 1 s. The first
        # pages come into their place by one rename, so that a start that was interrupted leaves no half wiki.
        command = "/usr/bin/sh"
        args = ["-ec", <<-EOT
          if [ ! -d /data/wiki ]; then
            rm -rf /data/wiki.new
            mkdir -p /data/wiki.new/polls /data/wiki.new/templates
            cp "$NOMAD_TASK_DIR/index.mdwn" "$NOMAD_TASK_DIR/polls.mdwn" /data/wiki.new/
            cp "$NOMAD_TASK_DIR/example.mdwn" /data/wiki.new/polls/
            cp "$NOMAD_TASK_DIR/newpoll.mdwn" /data/wiki.new/templates/
            mv /data/wiki.new /data/wiki
          fi
          ikiwiki --setup "$NOMAD_SECRETS_DIR/ikiwiki.setup"
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

      env {
        PATH = "/usr/local/bin:/usr/bin:/usr/sbin:/bin"
        HOME = "${NOMAD_TASK_DIR}"
        LANG = "C.UTF-8"
        CC   = "gcc" # cc leads through /etc, which is not there
      }

      # What people typed is data: quoted as JSON, which YAML understands, and as HTML, since pages show the name as it is.
      # LANGUAGE chooses the words without a locale of the system's; the small program that the web server starts passes on
      # only what is in ENV.
      template {
        destination = "secrets/ikiwiki.setup"
        data        = <<-EOT
          # IkiWiki::Setup::Yaml - YAML formatted setup file
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          wikiname: {{ .title.Value | html | toJSON }}
          adminemail: {{ .admin_email.Value | toJSON }}
          {{ if eq .language.Value "fr" -}}
          ENV: { LANGUAGE: fr, LC_ALL: C.UTF-8 }
          {{ else -}}
          ENV: { LANGUAGE: en, LC_ALL: C.UTF-8 }
          {{ end -}}
          {{ end -}}
          url: ${var.url}
          cgiurl: ${var.url}/ikiwiki.cgi
          reverse_proxy: 1
          srcdir: /data/wiki
          destdir: {{ env "NOMAD_ALLOC_DIR" }}/data/html
          cgi_wrapper: {{ env "NOMAD_TASK_DIR" }}/ikiwiki.cgi
          cgi_wrappermode: 0755
          templatedir: /usr/share/ikiwiki/templates
          underlaydirbase: /usr/share/ikiwiki
          underlaydir: /usr/share/ikiwiki/basewiki
          timezone: Europe/Paris
          usedirs: 1
          prefix_directives: 1
          # Without a way to sign in, nobody is asked to; what can be changed is polls.
          add_plugins: [poll, inline, edittemplate, lockedit, theme, samesecond]
          libdirs: ["{{ env "NOMAD_TASK_DIR" }}"]
          disable_plugins: [passwordauth, openid, emailauth, attachment, editpage_rename, rename, remove, recentchanges, prefs]
          locked_pages: "* and !polls/*"
          theme: actiontabs
          discussion: 0
          rss: 0
          atom: 0
        EOT
      }

      # ikiwiki makes a page again when its file is newer by a second at least: two votes within one second would count, and
      # the second not be seen.
      template {
        destination = "local/IkiWiki/Plugin/samesecond.pm"
        data        = <<-EOT
          package IkiWiki::Plugin::samesecond;

          use warnings;
          use strict;
          use IkiWiki 3.00;

          sub import { hook(type => "needsbuild", id => "samesecond", call => \&needsbuild) }

          sub needsbuild {
            my $files = shift;
            my %there = map { $_ => 1 } @$files;
            foreach my $page (keys %IkiWiki::pagemtime) {
              my $file = $pagesources{$page};
              next if ! defined $file || $there{$file} || $IkiWiki::pagemtime{$page} < time - 2;
              push @$files, $file;
            }
            return $files;
          }

          1;
        EOT
      }

      template {
        destination = "local/lighttpd.conf"
        data        = <<-EOT
          server.modules = ("mod_alias", "mod_cgi", "mod_setenv")
          server.bind = "{{ env "NOMAD_IP_http" }}"
          server.port = {{ env "NOMAD_PORT_http" }}
          server.document-root = "{{ env "NOMAD_ALLOC_DIR" }}/data/html"
          server.max-request-size = 1024 # KiB
          server.upload-dirs = ("{{ env "NOMAD_TASK_DIR" }}")
          index-file.names = ("index.html")
          alias.url = ("/ikiwiki.cgi" => "{{ env "NOMAD_TASK_DIR" }}/ikiwiki.cgi")
          cgi.assign = ("ikiwiki.cgi" => "")
          setenv.add-response-header = ("X-Content-Type-Options" => "nosniff")
          mimetype.assign = (
            ".html" => "text/html; charset=utf-8", ".css" => "text/css; charset=utf-8", ".js" => "text/javascript; charset=utf-8",
            ".png" => "image/png", ".svg" => "image/svg+xml", ".ico" => "image/x-icon", "" => "application/octet-stream",
          )
        EOT
      }

      # The first pages, in the association's language.
      template {
        destination = "local/index.mdwn"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ if eq .language.Value "fr" -}}
          Voici [[les_sondages|polls]].
          {{ else -}}
          Here are [[the_polls|polls]].
          {{ end -}}
          {{ end -}}
        EOT
      }

      template {
        destination = "local/polls.mdwn"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ if eq .language.Value "fr" -}}
          [[!meta title="Sondages"]]
          Choisissez un sondage pour voter, ou créez-en un : donnez-lui un titre, puis écrivez la question et les réponses.

          [[!inline pages="polls/* and !*/Discussion" archive=yes postform=yes postformtext="Titre du sondage :" feeds=no]]
          [[!edittemplate template="templates/newpoll" match="polls/*" silent=yes]]
          {{ else -}}
          [[!meta title="Polls"]]
          Choose a poll to vote, or make one: give it a title, then write the question and the answers.

          [[!inline pages="polls/* and !*/Discussion" archive=yes postform=yes postformtext="Title of the poll:" feeds=no]]
          [[!edittemplate template="templates/newpoll" match="polls/*" silent=yes]]
          {{ end -}}
          {{ end -}}
        EOT
      }

      template {
        destination = "local/example.mdwn"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ if eq .language.Value "fr" -}}
          [[!meta title="Un premier sondage"]]
          Quel jour pour la prochaine réunion ?

          [[!poll expandable=yes 0 "Lundi" 0 "Jeudi"]]
          {{ else -}}
          [[!meta title="A first poll"]]
          Which day for the next meeting?

          [[!poll expandable=yes 0 "Monday" 0 "Thursday"]]
          {{ end -}}
          {{ end -}}
        EOT
      }

      # What the form of a new poll holds. The number before each answer counts its votes.
      template {
        destination = "local/newpoll.mdwn"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          {{ if eq .language.Value "fr" -}}
          Votre question ?

          [[!poll expandable=yes 0 "Première réponse" 0 "Deuxième réponse"]]
          {{ else -}}
          Your question?

          [[!poll expandable=yes 0 "First answer" 0 "Second answer"]]
          {{ end -}}
          {{ end -}}
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
