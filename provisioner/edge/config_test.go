package edge

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func render(t *testing.T, s settings, ipv6 bool) (text, digest string) {
	t.Helper()
	pages, err := loadPages()
	if err != nil {
		t.Fatal(err)
	}
	config, digest, err := s.render(ipv6, pages)
	if err != nil {
		t.Fatal(err)
	}
	return string(config), digest
}

func TestRender(t *testing.T) {
	s := settings{layout: layout{dir: "/var/lib/frama-edge"}, http: ":80", https: ":443", publicPort: 443}
	plain, digest := render(t, s, true)
	for _, want := range []string{
		"bind :::80 v4v6\n", "bind :::443 v4v6 ssl crt-list /var/lib/frama-edge/crt-list.txt alpn h2,http/1.1\n",
		"ssl-min-ver TLSv1.2", "location https://%[var(txn.host)]%[pathq]\n", "description frama-edge " + digest + "\n",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
	for _, not := range []string{"Strict-Transport", "\n    user", "<no value>"} {
		if strings.Contains(plain, not) {
			t.Errorf("%q in\n%s", not, plain)
		}
	}
	s.publicPort, s.hsts, s.user, s.group = 8443, time.Hour, "haproxy", "haproxy"
	s.http, s.https = "127.0.0.1:8080", "[2001:db8::1]:8443"
	more, other := render(t, s, false)
	for _, want := range []string{
		"bind 127.0.0.1:8080\n", "bind 2001:db8::1:8443 ssl", "location https://%[var(txn.host)]:8443%[pathq]",
		"max-age=3600", "user haproxy\n", "group haproxy\n",
	} {
		if !strings.Contains(more, want) {
			t.Errorf("no %q in\n%s", want, more)
		}
	}
	if other == digest || bind(":80", false) != "*:80" {
		t.Error("another configuration has the same digest, or :80 is not all addresses")
	}
	pages, _ := loadPages()
	pages["unknown.html"] = []byte("changed")
	if _, third, _ := s.render(false, pages); third == other {
		t.Error("a changed page does not change the digest")
	}
}

func TestPages(t *testing.T) {
	pages, err := loadPages()
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		if strings.HasSuffix(name, ".json") {
			if !json.Valid(page) {
				t.Errorf("%s is no JSON", name)
			}
			continue
		}
		langs := []string{`<html lang="fr">`, `lang="en"`}
		if lang, single := strings.CutPrefix(name, "read-only."); single {
			langs = []string{`<html lang="` + strings.TrimSuffix(lang, ".html") + `">`}
		}
		for _, want := range append(langs, "prefers-color-scheme: dark", "viewport", "<title>", "<main>", "<h1>") {
			if !strings.Contains(string(page), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		for _, not := range []string{"http://", "https://", "src=", "<script", "url("} {
			if strings.Contains(string(page), not) {
				t.Errorf("%s needs something from elsewhere: %s", name, not)
			}
		}
	}
}

func TestMapChanges(t *testing.T) {
	got := mapChanges("/m", map[string]string{"a": "1", "b": "2", "c": "3"}, map[string]string{"b": "2", "c": "4", "d": "5"})
	want := "set map /m c 4,add map /m d 5,del map /m a"
	if strings.Join(got, ",") != want {
		t.Errorf("got %q", got)
	}
}

func TestChunks(t *testing.T) {
	items := []string{"aaaa", "bbbb", "cc", strings.Repeat("d", 50), "e"}
	var got []string
	for c := range chunks(items, 12, 1) {
		got = append(got, strings.Join(c, "+"))
	}
	if want := "aaaa+bbbb+cc|" + items[3] + "|e"; strings.Join(got, "|") != want {
		t.Errorf("got %q", got)
	}
}
