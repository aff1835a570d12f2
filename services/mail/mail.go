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
	// TemplateWaiting says that the request was approved and waits for room. ArgSlug, ArgAssociation; ArgContact where known.
	TemplateWaiting = "waiting"
	// TemplateRefused says that it was not, and why. ArgSlug, ArgAssociation, ArgReason; ArgContact where known.
	TemplateRefused = "refused"
	// TemplateActive says that the space is open. ArgSlug, ArgAssociation, ArgAddresses; ArgContact where known.
	TemplateActive = "active"
	// TemplateStaffNewRequest tells a reviewer that a request waits. ArgSlug, ArgAssociation; ArgContact, the
	// reviewer's own name, where known.
	TemplateStaffNewRequest = "staff_new_request"
	// TemplateQuotaNotice and TemplateQuotaWarning say that a space comes near a limit. ArgSlug, ArgGauges; ArgShares;
	// ArgGraceDays where growth is stopped once it is reached.
	TemplateQuotaNotice  = "quota_notice"
	TemplateQuotaWarning = "quota_warning"
	// TemplateQuotaFull says that a limit is reached. ArgSlug, ArgGauges; ArgShares; ArgStops, and ArgOver, where growth
	// will be stopped.
	TemplateQuotaFull = "quota_full"
	// TemplateQuotaStopped says that growth is stopped. ArgSlug, ArgGauges; ArgShares, ArgAddresses of what is concerned.
	TemplateQuotaStopped = "quota_stopped"
	// TemplateQuotaAllowed says that it is allowed again. ArgSlug, ArgGauges; ArgBelow while it would be stopped at once.
	TemplateQuotaAllowed = "quota_allowed"
	// TemplateQuotaLimit says that the host changed a limit. ArgSlug, ArgGauges; ArgUntil for a limit that ends, ArgPlan, its
	// title, where the limit is the plan's again.
	TemplateQuotaLimit = "quota_limit"
	// TemplateAskGranted and TemplateAskDeclined answer a wish for more. ArgSlug; ArgGauges for what was granted; ArgPlan or
	// ArgMetric and ArgWanted; ArgReason, the answer.
	TemplateAskGranted  = "ask_granted"
	TemplateAskDeclined = "ask_declined"
	// TemplateStaffAsk tells the staff of a wish. As TemplateAskGranted, with the association's words; ArgAssociation.
	TemplateStaffAsk = "staff_ask"
	// TemplateRetention says that content which nobody changed for long will be removed. ArgSlug, ArgMetric, ArgCount, ArgObjects,
	// ArgUnusedDays, ArgUntil, ArgAddresses of where it is.
	TemplateRetention = "retention"
)

// Names of arguments.
const (
	ArgAssociation = "association" // name of the association, as typed
	ArgContact     = "contact"     // name of the person who is greeted, as typed; the greeting does without
	ArgSlug        = "slug"        // wanted name of the space
	ArgReason      = "reason"      // why a request was refused, as typed, with its line ends
	ArgAddresses   = "addresses"   // what EncodeAddresses returns
	ArgGauges      = "gauges"      // what EncodeGauges returns
	ArgShares      = "shares"      // what EncodeShares returns
	ArgGraceDays   = "grace_days"  // days between a limit that is reached and the end of growth
	ArgStops       = "stops"       // when growth stops, RFC 3339
	ArgOver        = "over"        // percent of the limit at which it stops at once
	ArgBelow       = "below"       // percent of the limit that usage has to be under before there are days of grace again
	ArgUntil       = "until"       // when a limit ends or content is removed, RFC 3339
	ArgPlan        = "plan"        // title of a plan
	ArgMetric      = "metric"      // of which more is wanted, or the kind of content
	ArgWanted      = "wanted"      // how much of it
	ArgCount       = "count"       // of objects
	ArgObjects     = "objects"     // names of some of them, as typed: a list in JSON
	ArgUnusedDays  = "unused_days" // days that nobody changed them
)

// Templates lists the templates in the order an association meets them.
func Templates() []string {
	return []string{TemplateConfirm, TemplateReceived, TemplateWaiting, TemplateApproved, TemplateRefused, TemplateActive, TemplateStaffNewRequest,
		TemplateQuotaNotice, TemplateQuotaWarning, TemplateQuotaFull, TemplateQuotaStopped, TemplateQuotaAllowed, TemplateQuotaLimit,
		TemplateAskGranted, TemplateAskDeclined, TemplateStaffAsk, TemplateRetention}
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
