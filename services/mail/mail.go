// Package mail writes frama's mails and hands them to an SMTP server.
//
// A use case puts a row into the outbox in the same transaction as what it did (store.Tx.Enqueue): a template's name,
// its arguments, a language. An Outbox takes the rows that are due, a Renderer makes a Message of each, a Sender hands
// it over. Nothing is rendered before it is sent, so the database never holds a private link.
//
// A mail is handed over once. The one exception is a process that dies, or a connection that breaks, between the last
// byte of a mail and the server's answer: nobody can know then whether it arrived, so it is sent again, with the same
// Message-ID, by which mail servers and readers recognise it.
package mail

import (
	"encoding/json"
	"fmt"
	"time"
)

// The templates, and the arguments each one takes. All take a request's ID beside (store.Mail.RequestID), from which
// their links derive. Arguments that a template does not know are ignored; one that is missing is an error.
const (
	// TemplateConfirm asks to confirm an address. ArgSlug; ArgAssociation and ArgContact where known. The address is
	// not proved yet, so what was typed is left out where it could carry a link to somebody who never asked.
	TemplateConfirm = "confirm"
	// TemplateReceived says that the request waits for review. ArgSlug, ArgAssociation; ArgContact where known.
	TemplateReceived = "received"
	// TemplateApproved says that the request was approved. ArgSlug, ArgAssociation; ArgContact where known.
	TemplateApproved = "approved"
	// TemplateRefused says that it was not, and why. ArgSlug, ArgAssociation, ArgReason; ArgContact where known.
	TemplateRefused = "refused"
	// TemplateActive says that the space is open. ArgSlug, ArgAssociation, ArgAddresses; ArgContact where known.
	TemplateActive = "active"
	// TemplateStaffNewRequest tells a reviewer that a request waits. ArgSlug, ArgAssociation; ArgContact, the
	// reviewer's own name, where known.
	TemplateStaffNewRequest = "staff_new_request"
)

// Names of arguments.
const (
	ArgAssociation = "association" // name of the association, as typed
	ArgContact     = "contact"     // name of the person who is greeted, as typed; the greeting does without
	ArgSlug        = "slug"        // wanted name of the space
	ArgReason      = "reason"      // why a request was refused, as typed, with its line ends
	ArgAddresses   = "addresses"   // what EncodeAddresses returns
)

// Templates lists the templates in the order an association meets them.
func Templates() []string {
	return []string{TemplateConfirm, TemplateReceived, TemplateApproved, TemplateRefused, TemplateActive, TemplateStaffNewRequest}
}

// Address is where one service of a space can be reached.
type Address struct {
	Title string `json:"title"` // of the application, in the language of the mail
	URL   string `json:"url"`
}

// EncodeAddresses makes the value of ArgAddresses.
func EncodeAddresses(addresses []Address) (string, error) {
	text, err := json.Marshal(addresses)
	if err != nil {
		return "", fmt.Errorf("encode the addresses of a space: %w", err)
	}
	return string(text), nil
}

// Message is a mail that is ready to be handed over.
type Message struct {
	ID        string // of the header Message-ID, without angle brackets
	Recipient string
	Lang      string
	Subject   string // one line
	Text      string // the whole message in plain text
	HTML      string // the same message
	Date      time.Time
}
