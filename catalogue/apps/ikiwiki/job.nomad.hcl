# ikiwiki in production: polls in the pages of a wiki, in an image that the host builds itself (Dockerfile beside this
# file). Pages, with their votes, are on the volume.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad var put nomad/jobs/JOB title=… language=fr admin_email=…
#   nomad job run -var job_id=JOB -var registry=… -var url=https://… -var port=20000 -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "registry" {
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

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8080
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
        path     = "/"
        interval = "5s"
        timeout  = "5s"
      }
    }

    task "ikiwiki" {
      driver = "docker"

      config {
        image   = "${var.registry}/ikiwiki:3.20200202.3"
        ports   = ["http"]
        command = "sh"
        # Pages, with their votes, are on the volume; the rendered site is built at each start, in 1 s. The first pages
        # are put in place by one rename, so that an interrupted start leaves no incomplete wiki.
        args = ["-ec", <<-EOT
          if [ ! -d /data/wiki ]; then
            rm -rf /data/wiki.new
            mkdir -p /data/wiki.new/polls /data/wiki.new/templates
            cp "$NOMAD_TASK_DIR/index.mdwn" "$NOMAD_TASK_DIR/polls.mdwn" /data/wiki.new/
            cp "$NOMAD_TASK_DIR/example.mdwn" /data/wiki.new/polls/
            cp "$NOMAD_TASK_DIR/newpoll.mdwn" /data/wiki.new/templates/
            mv /data/wiki.new /data/wiki
          fi
          mkdir -p "$NOMAD_TASK_DIR/IkiWiki/Plugin"
          cp "$NOMAD_TASK_DIR/samesecond.pm" "$NOMAD_TASK_DIR/IkiWiki/Plugin/"
          ikiwiki --setup "$NOMAD_SECRETS_DIR/ikiwiki.setup"
          exec lighttpd -D -f "$NOMAD_TASK_DIR/lighttpd.conf"
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        HOME = "${NOMAD_TASK_DIR}"
        LANG = "C.UTF-8"
      }

      # User input is data: quoted as JSON, which YAML accepts, and as HTML, since pages show the name unescaped.
      # LANGUAGE chooses the translation without a system locale; the web server's CGI wrapper passes on only the
      # variables in ENV.
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

      # ikiwiki renders a page again only if its file is newer by at least a second: of two votes within a second, both
      # would count but only one would show.
      template {
        destination = "local/samesecond.pm"
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
          server.port = 8080
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

      # The form of a new poll. The number before each answer is its count of votes.
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
