package mail_test

import (
	"context"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"

	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

func TestMailArrivesAsItWasWritten(t *testing.T) {
	s := startServer(t, behaviour{password: "secret"})
	o := optionsFor(s, mail.StartTLS)
	o.ReplyTo = "Équipe <equipe@herons.example>"
	b := newBench(t, o)
	m := sample(mail.TemplateStaffNewRequest, "fr")
	m.Args[mail.ArgAssociation] = "L’Été à Saint-Étienne\r\nBcc: victim@example.org"
	if err := b.Store.Write(context.Background(), func(tx *store.Tx) error { return tx.Enqueue(m, "frama.example") }); err != nil {
		t.Fatal(err)
	}
	b.fine(1)
	got := s.mails()[0]
	if !got.encrypted || got.user != "frama" {
		t.Error("not encrypted, or not signed in")
	}
	if !strings.HasPrefix(got.from, "MAIL FROM:<contact@herons.example>") || strings.Contains(got.from, "SMTPUTF8") ||
		got.to != "RCPT TO:<camille@jardins.example>" {
		t.Errorf("envelope %q %q", got.from, got.to)
	}
	read, err := netmail.ReadMessage(strings.NewReader(got.text))
	if err != nil {
		t.Fatal(err)
	}
	h := read.Header
	row := b.rows()["jardins-cedre"]
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"Subject": {subject, "Nouvelle demande à examiner\u00a0: L’Été à Saint-Étienne Bcc: victim@example.org (jardins-cedre)"},
		"ID":      {h.Get("Message-ID"), "<" + row.MessageID + ">"},
		"Auto":    {h.Get("Auto-Submitted"), "auto-generated"},
		"Lang":    {h.Get("Content-Language"), "fr"},
		"Date":    {h.Get("Date"), "Tue, 03 Nov 2026 10:00:00 +0000"},
		"To":      {h.Get("To"), "<camille@jardins.example>"},
		"Bcc":     {h.Get("Bcc"), ""},
		"agent":   {h.Get("User-Agent") + h.Get("X-Mailer"), ""},
		"row":     {row.State, "sent"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, expected %q", name, pair[0], pair[1])
		}
	}
	if from, err := h.AddressList("From"); err != nil || from[0].Name != "Les Hérons" {
		t.Errorf("From %v %v", from, err)
	}
	if reply, err := h.AddressList("Reply-To"); err != nil || reply[0].Address != "equipe@herons.example" || reply[0].Name != "Équipe" {
		t.Errorf("Reply-To %v %v", reply, err)
	}
	if !strings.HasPrefix(row.MessageID, row.ID+"@") || row.SentAt.IsZero() {
		t.Errorf("row %+v", row)
	}
	m.MessageID, m.Recipient = row.MessageID, row.Recipient
	want, err := newRenderer(t).Render(m)
	if err != nil {
		t.Fatal(err)
	}
	parts := parts(t, read)
	if parts["text/plain"] != want.Text || parts["text/html"] != want.HTML {
		t.Errorf("the parts differ from what was written: %q", parts)
	}
	for i, line := range strings.Split(got.text, "\n") {
		if len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("line %d is not safe on any server: %q", i+1, line)
		}
	}
}

func parts(t *testing.T, m *netmail.Message) map[string]string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatal(kind, err)
	}
	found := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, charset, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if !strings.EqualFold(charset["charset"], "UTF-8") || p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("part %v", p.Header)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		found[kind] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
}
