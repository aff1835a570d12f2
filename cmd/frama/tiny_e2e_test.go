//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tinyServer is the smallest application: it answers, on the address it is given.
const tinyServer = `package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	panic(http.ListenAndServe(os.Args[1], nil))
}
`

const tinyManifest = `name   = %[1]q
kind   = %[2]q
status = "stable"
preferred = true
title {
  fr = "Minuscule"
  en = "Tiny"
}
description {
  fr = "Répond."
  en = "Answers."
}
license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://framagit.org/frama/frama"
tenancy    = "instance"
first_url  = "/"
backup     = "dump"
upgrade    = "auto-on-start"
suspend    = "proxy"
quota      = "ingress"
version    = "1.0.0"
tasks      = ["app"]
health {
  path   = "/"
  status = 200
}
secret "key" {
  length = 32
  kind   = "permanent"
}
plan "starter" {
  cpu    = 20
  memory = 24
  disk   = 10
}
plan "standard" {
  cpu    = 20
  memory = 24
  disk   = 10
}
plan "large" {
  cpu    = 20
  memory = 24
  disk   = 10
}
`

const tinyJob = `variable "job_id" { type = string }
variable "port" { type = number }
variable "cpu" { type = number }
variable "memory" { type = number }

job "app" {
  id   = var.job_id
  type = "service"
  group "app" {
    network {
      port "http" { static = var.port }
    }
    # Nomad's default of 300 MiB, for each of some two hundred, is more than a small machine has.
    ephemeral_disk {
      size = 10
    }
    update {
      health_check      = "task_states"
      min_healthy_time  = "0s"
      healthy_deadline  = "1m"
      progress_deadline = "2m"
    }
    task "app" {
      driver = "raw_exec"
      # For the test of isolation: the job's own token, in its secrets folder.
      identity {
        file = true
      }
      config {
        command = %q
        args    = ["${NOMAD_ADDR_http}"]
      }
      logs {
        disabled = true
      }
      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
`

// tinyOffer has a host offer the tiny applications, and nothing else.
func tinyOffer(config, apps string) string {
	return strings.Replace(config, "[catalogue]", fmt.Sprintf("[catalogue]\ndirs = [%q]\noffer = [\"pads\", \"calcs\"]", apps), 1)
}

// tinyCatalogue makes a folder of the catalogue with tiny applications instead of the real ones: the same way, without
// the seconds a real application takes to start.
func tinyCatalogue(t testing.TB) string {
	t.Helper()
	dir := shortDir(t)
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(tinyServer), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "tiny")
	build := exec.Command("go", "build", "-o", binary, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the tiny application: %v\n%s", err, out)
	}
	apps := filepath.Join(dir, "apps")
	for kind, name := range map[string]string{"pads": "tinypads", "calcs": "tinycalcs"} {
		folder := filepath.Join(apps, name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{
			"app.hcl": fmt.Sprintf(tinyManifest, name, kind), "job.nomad.hcl": fmt.Sprintf(tinyJob, binary),
		} {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return apps
}

// shortDir is a temporary folder whose path leaves room for sockets, and which other users may enter.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "frama")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
