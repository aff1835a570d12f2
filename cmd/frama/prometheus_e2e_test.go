//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
)

// TestAlertRules tries the alert rules on made-up days, with Prometheus' own tool.
func TestAlertRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "frama.rules.yml"}, {"test", "rules", "frama.test.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = "../../deploy/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestPrometheus lets a real Prometheus scrape a real frama, load the alert rules and answer every query of the Grafana
// dashboard.
func TestPrometheus(t *testing.T) {
	folder := t.TempDir()
	ports := make([]string, 4)
	for i := range ports {
		port, err := dev.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = "127.0.0.1:" + strconv.Itoa(port)
	}
	pages, edge, metrics, prometheus := ports[0], ports[1], ports[2], ports[3]
	file := filepath.Join(folder, "frama.toml")
	text := tomlTable("", "listen", pages, "public_url", "http://"+pages, "database", "sqlite:"+filepath.Join(folder, "frama.db")) +
		tomlTable("seal", "key_file", filepath.Join(folder, "seal.key")) +
		tomlTable("edge", "listen", edge) + tomlTable("metrics", "listen", metrics) +
		tomlTable("nomad", "address", "http://127.0.0.1:9") + tomlTable("acme", "directory", "https://127.0.0.1:9/dir") +
		tomlTable("smtp", "host", "127.0.0.1", "port", 9, "tls", "none")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, nil, 0, "--config", file, "migrate")
	spawn(t, nil, "--config", file, "serve")
	await(t, 20*time.Second, "frama", func() error { return answers(http.DefaultClient, "http://"+pages+"/healthz") })
	visit(t, "GET", "http://"+pages+"/")
	visit(t, "BREW", "http://"+pages+"/no/such/<page>")
	visit(t, "GET", "http://"+pages+"/track/"+strings.Repeat("s3cr3t", 8))

	own := string(get(t, "http://"+metrics+"/metrics"))
	for _, lie := range []string{"s3cr3t", "BREW", "<page>"} {
		if strings.Contains(own, lie) {
			t.Errorf("what a visitor typed is part of a figure: %s", lie)
		}
	}
	wants(t, own, `frama_build_info\{version="`, `route="/track/:token"`, `frama_objects\{kind="run",state="parked"\} 0`, `frama_database_up 1`)

	for _, name := range []string{"prometheus.yml", "frama.rules.yml"} {
		b, err := os.ReadFile("../../deploy/prometheus/" + name)
		if err != nil {
			t.Fatal(err)
		}
		b = []byte(strings.NewReplacer("127.0.0.1:8602", metrics, "_interval: 30s", "_interval: 1s").Replace(string(b)))
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := exec.Command("prometheus", "--config.file", filepath.Join(folder, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(folder, "tsdb"),
		"--web.listen-address", prometheus, "--log.level", "warn")
	log, err := os.Create(filepath.Join(folder, "prometheus.log"))
	if err != nil {
		t.Fatal(err)
	}
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("Prometheus said:\n%s", said)
		}
	})
	api := "http://" + prometheus + "/api/v1/"
	await(t, 30*time.Second, "Prometheus to see frama", func() error {
		n, err := samples(api, `up{job="frama"} == 1`)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d targets are up", n)
		}
		return err
	})
	// Figures that rates are made of need two scrapes.
	await(t, 20*time.Second, "a second scrape", func() error {
		n, err := samples(api, `rate(frama_http_request_duration_seconds_count[1m])`)
		if err == nil && n == 0 {
			err = fmt.Errorf("no rate yet")
		}
		return err
	})

	// What only comes with a cluster, an agent, a certificate or a run has no sample here; all else has.
	absent := regexp.MustCompile(`frama_cluster|frama_edge|frama_certificate_next|frama_step|frama_usage_(measurement|readings)`)
	queries := dashboard(t)
	if len(queries) < 25 {
		t.Fatalf("the dashboard has %d queries", len(queries))
	}
	for _, q := range queries {
		n, err := samples(api, q)
		switch {
		case err != nil:
			t.Errorf("%s: %v", q, err)
		case n == 0 && !absent.MatchString(q):
			t.Errorf("%s: no sample", q)
		}
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
	}
	await(t, 20*time.Second, "the alert rules", func() error {
		if err := json.Unmarshal(get(t, api+"rules"), &rules); err != nil {
			return err
		}
		if len(rules.Data.Groups) != 1 || rules.Data.Groups[0].Rules[0].Health == "unknown" {
			return fmt.Errorf("not evaluated yet")
		}
		return nil
	})
	for _, r := range rules.Data.Groups[0].Rules {
		if r.Health != "ok" || r.State != "inactive" {
			t.Errorf("alert %s: %s, %s %s", r.Name, r.Health, r.State, r.LastError)
		}
	}
}

// dashboard returns the queries of the Grafana dashboard.
func dashboard(t *testing.T) (queries []string) {
	t.Helper()
	b, err := os.ReadFile("../../deploy/grafana/frama.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	var ids []int
	for _, p := range d.Panels {
		if slices.Contains(ids, p.ID) {
			t.Errorf("two panels have the number %d", p.ID)
		}
		ids = append(ids, p.ID)
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	return queries
}

// samples asks Prometheus and says how many samples the answer has.
func samples(api, query string) (int, error) {
	resp, err := http.Get(api + "query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return len(answer.Data.Result), nil
}

func visit(t *testing.T, method, address string) {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

func get(t *testing.T, address string) []byte {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
