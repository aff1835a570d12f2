package journey

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Mailbox reads the mails that the development platform's maildev caught.
type Mailbox struct{ URL string }

// Mail is a mail as maildev tells of it.
type Mail struct {
	ID      string            `json:"id"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	HTML    string            `json:"html"`
	Headers map[string]string `json:"headers"`
	To      []struct {
		Address string `json:"address"`
	} `json:"to"`
}

// All lists the mails to an address, oldest first; all when it is empty.
func (m Mailbox) All(ctx context.Context, to string) ([]Mail, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+"/email", nil)
	if err != nil {
		return nil, fmt.Errorf("ask the mailbox: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the mailbox: %w", err)
	}
	defer resp.Body.Close()
	var all, found []Mail
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("read the mailbox: %w", err)
	}
	for _, mail := range all {
		for _, a := range mail.To {
			if to == "" || strings.EqualFold(a.Address, to) {
				found = append(found, mail)
				break
			}
		}
	}
	return found, nil
}
