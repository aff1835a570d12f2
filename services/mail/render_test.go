package mail_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// links are links as frama's pages would have them.
type links struct{ base string }

func (l links) Confirm(id string) string   { return l.base + "/confirm/" + id }
func (l links) Track(id string) string     { return l.base + "/track/" + id }
func (l links) Dashboard(id string) string { return l.base + "/admin/requests/" + id }

func newRenderer(t *testing.T) *mail.Renderer {
	t.Helper()
	l, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	r, err := mail.NewRenderer(mail.RenderOptions{Host: "Frama.space", Links: links{"https://frama.example"}, Locale: l})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sample(template, lang string) store.Mail {
	return store.Mail{
		ID: "0199", MessageID: "0199@frama.example", Recipient: "camille@jardins.example", Lang: lang, Template: template,
		RequestID: "request-1", Args: map[string]string{
			mail.ArgAssociation: "Les Jardins partagés du Cèdre",
			mail.ArgContact:     "Camille Dupré",
			mail.ArgSlug:        "jardins-cedre",
			mail.ArgReason:      "Bonjour, votre collectif a déjà un espace :\n« cedre ».\n\nÉcrivez-nous si c’est une erreur <3",
			mail.ArgAddresses:   `[{"title":"Pads","url":"https://jardins-cedre-pads.frama.example"},{"title":"Tableurs","url":"https://jardins-cedre-calcs.frama.example"}]`,
			mail.ArgGauges:      `[{"metric":"storage","used":37366000000,"limit":42949672960},{"metric":"accounts","used":12,"limit":50}]`,
			mail.ArgShares:      `[{"title":"Nuage","value":36000000000},{"title":"Pads","value":1366000000}]`,
			mail.ArgGraceDays:   "14", mail.ArgStops: "2026-12-06T10:00:00Z", mail.ArgOver: "150", mail.ArgBelow: "95",
			mail.ArgUntil: "2027-06-30T12:00:00Z", mail.ArgMetric: "storage", mail.ArgWanted: "64424509440",
			mail.ArgCount: "1204", mail.ArgObjects: `["Compte rendu du 3 mars","buvette-2019","voir http://pourriel.example"]`, mail.ArgUnusedDays: "730",
		},
	}
}

// update rewrites the golden files, which are then read by somebody: go test ./services/mail -update
func updating() bool {
	return flag.Lookup("update") != nil && flag.Lookup("update").Value.String() == "true"
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	os.Exit(m.Run())
}

func TestEveryTemplateInEveryLanguage(t *testing.T) {
	r := newRenderer(t)
	for _, template := range mail.Templates() {
		for _, lang := range locale.Languages() {
			t.Run(template+"."+lang, func(t *testing.T) {
				m, err := r.Render(sample(template, lang))
				if err != nil {
					t.Fatal(err)
				}
				golden(t, template+"."+lang+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
				golden(t, template+"."+lang+".html", m.HTML)
				if all := m.Subject + m.Text + m.HTML; strings.Contains(all, "⟦") || strings.Contains(all, "{0}") {
					t.Error("a message is missing, or a placeholder is left")
				}
				for i, line := range strings.Split(m.Text, "\n") {
					if n := len([]rune(line)); n > 78 && !strings.Contains(line, "https://") {
						t.Errorf("line %d has %d characters", i+1, n)
					}
				}
			})
		}
	}
}

// TestTextSaysAllThatHTMLSays compares the words of both.
func TestTextSaysAllThatHTMLSays(t *testing.T) {
	r := newRenderer(t)
	for _, template := range mail.Templates() {
		m, err := r.Render(sample(template, "fr"))
		if err != nil {
			t.Fatal(err)
		}
		_, html, _ := strings.Cut(m.HTML, "<body>")
		html = strings.NewReplacer("&lt;3", "❤", "&#39;", "'", "&amp;", "&").Replace(html)
		var words strings.Builder
		for i, part := range strings.Split(html, "<") {
			if i > 0 {
				_, part, _ = strings.Cut(part, ">")
			}
			words.WriteString(part + " ")
		}
		text := strings.Join(strings.Fields(strings.NewReplacer("\n> ", "\n", "\n>\n", "\n\n", "<3", "❤").Replace(m.Text)), " ")
		for _, word := range strings.Fields(words.String()) {
			if !strings.Contains(text, word) {
				t.Errorf("%s: %q is in the HTML only", template, word)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if updating() {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the tests with -update and read the difference.\n%s", path, got)
	}
}

func TestTypedTextChangesNothing(t *testing.T) {
	r := newRenderer(t)
	nasty := "A\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script> \u202e{0}{1}\x00\u2028B"
	for _, template := range mail.Templates() {
		m := sample(template, "fr")
		m.Args[mail.ArgAssociation], m.Args[mail.ArgContact], m.Args[mail.ArgReason] = nasty, nasty, nasty
		got, err := r.Render(m)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(got.Subject, "\r\n\x00\u2028\u202e") {
			t.Errorf("%s: subject %q", template, got.Subject)
		}
		if strings.ContainsAny(got.Text+got.HTML, "\r\x00\u2028\u202e") {
			t.Errorf("%s: a control character came through", template)
		}
		if strings.Contains(got.HTML, "<script") {
			t.Errorf("%s: markup came through", template)
		}
		if strings.Contains(got.Text, "\nBcc: victim@example.org\n") {
			t.Errorf("%s: a line of its own came through", template)
		}
	}
}

// TestUnprovedAddressesGetNoLinksOfOthers: the confirmation goes to an address that somebody typed, so it must not
// carry what that somebody wants its owner to read.
func TestUnprovedAddressesGetNoLinksOfOthers(t *testing.T) {
	r := newRenderer(t)
	for _, name := range []string{"Win at https://evil.example now", "evil.example", "www.evil.example", "mail me@evil.example", "see evil.example/x!", "evil。example@x"} {
		m := sample(mail.TemplateConfirm, "en")
		m.Args[mail.ArgAssociation], m.Args[mail.ArgContact] = name, name
		got, err := r.Render(m)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got.Text+got.HTML+got.Subject, "evil") {
			t.Errorf("%q came through:\n%s", name, got.Text)
		}
	}
	m := sample(mail.TemplateConfirm, "en")
	m.Args[mail.ArgAssociation], m.Args[mail.ArgContact] = "Les amis de St. Jean", "M. Dupré"
	got, err := r.Render(m)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Text, "Les amis de St. Jean") || !strings.Contains(got.Text, "Hello M. Dupré,") {
		t.Errorf("an honest name is missing:\n%s", got.Text)
	}
}

func TestWhatCannotBeRendered(t *testing.T) {
	r := newRenderer(t)
	for name, c := range map[string]struct {
		template string
		change   func(*store.Mail)
		verdict  mail.Verdict
		want     string
	}{
		"no such template":   {"nonsense", func(*store.Mail) {}, mail.Deferred, `no template "nonsense"`},
		"recipient":          {mail.TemplateConfirm, func(m *store.Mail) { m.Recipient = "a@b.example\r\nBcc: c@d.example" }, mail.Refused, "recipient"},
		"recipient, several": {mail.TemplateConfirm, func(m *store.Mail) { m.Recipient = "a@b.example, c@d.example" }, mail.Refused, "recipient"},
		"message ID":         {mail.TemplateConfirm, func(m *store.Mail) { m.MessageID = "a@b>\r\nBcc: c@d.example" }, mail.Deferred, "message ID"},
		"no slug":            {mail.TemplateConfirm, func(m *store.Mail) { delete(m.Args, mail.ArgSlug) }, mail.Deferred, `"slug" is missing`},
		"no association":     {mail.TemplateReceived, func(m *store.Mail) { m.Args = map[string]string{mail.ArgSlug: "x"} }, mail.Deferred, `"association" is missing`},
		"no arguments":       {mail.TemplateApproved, func(m *store.Mail) { m.Args = nil }, mail.Deferred, "missing"},
		"no reason":          {mail.TemplateRefused, func(m *store.Mail) { m.Args[mail.ArgReason] = "\n \n" }, mail.Deferred, `"reason" is missing`},
		"no request":         {mail.TemplateReceived, func(m *store.Mail) { m.RequestID = "" }, mail.Deferred, "request's ID"},
		"no addresses":       {mail.TemplateActive, func(m *store.Mail) { m.Args[mail.ArgAddresses] = "[]" }, mail.Deferred, "empty"},
		"addresses, no JSON": {mail.TemplateActive, func(m *store.Mail) { m.Args[mail.ArgAddresses] = "https://" }, mail.Deferred, `"addresses"`},
		"address, no web":    {mail.TemplateActive, func(m *store.Mail) { m.Args[mail.ArgAddresses] = `[{"title":"x","url":"javascript:alert(1)"}]` }, mail.Deferred, "entry 1"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sample(c.template, "fr")
			c.change(&m)
			_, err := r.Render(m)
			var p *mail.Problem
			if !errors.As(err, &p) || p.Verdict != c.verdict || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestUnknownLanguageIsFrench(t *testing.T) {
	m, err := newRenderer(t).Render(sample(mail.TemplateActive, "tlh"))
	if err != nil || m.Lang != "fr" || !strings.Contains(m.Subject, "ouvert") {
		t.Errorf("%q %q %v", m.Lang, m.Subject, err)
	}
}

func TestAddressesAreEncoded(t *testing.T) {
	text, err := mail.EncodeAddresses([]mail.Address{{Title: "Pads", URL: "https://a.example"}})
	if err != nil {
		t.Fatal(err)
	}
	m := sample(mail.TemplateActive, "en")
	m.Args[mail.ArgAddresses] = text
	got, err := newRenderer(t).Render(m)
	if err != nil || !strings.Contains(got.Text, "- Pads\n  https://a.example\n") {
		t.Errorf("%v\n%s", err, got.Text)
	}
}
