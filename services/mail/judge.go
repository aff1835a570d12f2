package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strings"
)

// stage is how far a hand-over came.
type stage string

const (
	atSender    stage = "sender"
	atRecipient stage = "recipient"
	atContent   stage = "content"
)

// judgeSender says what it means that the server did not accept the sender. No mail is to blame.
func (s *Sender) judgeSender(err error) *Problem {
	var reply *textproto.Error
	var network net.Error
	switch {
	case !errors.As(err, &reply):
		if errors.Is(err, errTooSlow) || errors.Is(err, context.Canceled) || errors.As(err, &network) && network.Timeout() {
			return s.explain(err)
		}
		return &Problem{Stale, "It is tried again over a new one.", fmt.Errorf("the connection to the mail server had ended: %w", err)}
	case reply.Code == 421: // RFC 5321 §3.8: it closes, often after so many mails
		return &Problem{Stale, "It is tried again over a new connection.", said(reply, atSender)}
	case reply.Code < 500:
		return &Problem{Down, "It is tried again. If that lasts, check the limits of the mail account.", said(reply, atSender)}
	}
	return &Problem{Down, "Check that this account or machine may send mail in the name of smtp.from, " +
		"and whether the server wants smtp.username and smtp.password.", said(reply, atSender)}
}

// judge says what an error at a later stage means (RFC 5321 §4.2.1: 4yz may work later, 5yz will not).
func judge(at stage, err error) *Problem {
	var reply *textproto.Error
	switch {
	case !errors.As(err, &reply):
		return &Problem{Broken, "It is tried again, with the same Message-ID. If that repeats, look into the mail server's log.",
			fmt.Errorf("the connection to the mail server broke at the %s: %w", at, err)}
	case reply.Code == 421:
		return &Problem{Broken, "It is tried again, with the same Message-ID.", said(reply, at)}
	case reply.Code < 500:
		return &Problem{Deferred, "Nothing to do: it is tried again.", said(reply, at)}
	case blamesUs(reply):
		return &Problem{Deferred, "The server refuses frama, not the address: check whether it wants smtp.username and smtp.password, " +
			"whether it may relay for this machine, and the SPF, DKIM and DMARC records of the sender's domain. It is tried again.", said(reply, at)}
	case at == atRecipient:
		return &Problem{Refused, "The address does not exist or takes no mail: reach the person in another way.", said(reply, at)}
	}
	return &Problem{Refused, "The server does not accept what the mail says: read its answer; spam filters are the usual reason.", said(reply, at)}
}

func said(reply *textproto.Error, at stage) error {
	return fmt.Errorf("the mail server answered %s to the %s", answer(reply), at)
}

// blamesUs says whether a permanent refusal is about who sends, not about the mail: authentication (RFC 4954 §6),
// policy (RFC 3463 §3.8, X.7.X) or relaying, for which servers have no code of their own. A person can mend these, so
// giving the mail up would lose it for nothing.
func blamesUs(reply *textproto.Error) bool {
	switch reply.Code {
	case 530, 534, 535, 538:
		return true
	}
	return strings.HasPrefix(reply.Msg, "5.7.") || strings.Contains(strings.ToLower(reply.Msg), "relay")
}

// answer writes what a server said: one line, not too long, and without mail addresses, for it goes into the log.
func answer(reply *textproto.Error) string {
	const limit = 300 // characters
	text := []rune(oneLine(regexp.MustCompile(`[^\s<>"'(:]+@[^\s<>"'):,;]+`).ReplaceAllString(reply.Msg, "(address)")))
	if len(text) > limit {
		text = append(text[:limit-1], '…')
	}
	return fmt.Sprintf("%d %q", reply.Code, string(text))
}
