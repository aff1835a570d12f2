//go:build e2e

package dev

import (
	"encoding/json"
	"net/http"
	"net/smtp"
	"syscall"
	"testing"
	"time"
)

func startMaildev(t *testing.T, o MaildevOptions) *Maildev {
	t.Helper()
	began := time.Now()
	m, err := StartMaildev(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	t.Logf("maildev ready after %s", time.Since(began).Round(time.Millisecond))
	return m
}

// subjects lists what is in the mailbox.
func subjects(t *testing.T, m *Maildev) []string {
	t.Helper()
	body, err := get(t.Context(), http.DefaultClient, m.WebURL+"/email")
	if err != nil {
		t.Fatal(err)
	}
	var mails []struct{ Subject string }
	if err := json.Unmarshal(body, &mails); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var all []string
	for _, mail := range mails {
		all = append(all, mail.Subject)
	}
	return all
}

func TestMaildevKeepsMailsOverStarts(t *testing.T) {
	o := MaildevOptions{Data: t.TempDir()}
	m := startMaildev(t, o)
	message := "From: frama <frama@frama.localhost>\r\nTo: Ada <ada@asso.example>\r\nSubject: Confirmez votre demande\r\n\r\nBonjour\r\n"
	if err := smtp.SendMail(m.SMTPAddr, nil, "frama@frama.localhost", []string{"ada@asso.example"}, []byte(message)); err != nil {
		t.Fatal(err)
	}
	want := func(m *Maildev, when string) {
		t.Helper()
		var got []string
		for range 50 {
			if got = subjects(t, m); len(got) == 1 && got[0] == "Confirmez votre demande" {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%s the mailbox has %q, want the one mail", when, got)
	}
	want(m, "after sending")

	began := time.Now()
	m.Stop()
	t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))
	again := startMaildev(t, o)
	if again.SMTPAddr != m.SMTPAddr || again.WebURL != m.WebURL {
		t.Errorf("the mailbox moved from %s, %s to %s, %s", m.SMTPAddr, m.WebURL, again.SMTPAddr, again.WebURL)
	}
	want(again, "after a restart")
}

func TestProcessSaysHowItEnded(t *testing.T) {
	m := startMaildev(t, MaildevOptions{Data: t.TempDir()})
	if err := m.Err(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	if err := syscall.Kill(m.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.Exited():
	case <-time.After(5 * time.Second):
		t.Fatal("nobody noticed the end")
	}
	if err := m.Err(); err == nil {
		t.Error("no error after the end")
	}
	m.Stop() // harmless
}
