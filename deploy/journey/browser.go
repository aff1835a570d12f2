package journey

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Browser reads pages and sends their forms the way a browser without JavaScript does: hidden fields, cookies and the
// Origin header included.
type Browser struct {
	client *http.Client
	page   *url.URL // the one that is open
	body   []byte
}

// NewBrowser opens a browser with an empty cookie jar.
func NewBrowser() *Browser {
	jar, _ := cookiejar.New(nil) // cannot fail without options
	return &Browser{client: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

// Text is the text of the open page.
func (b *Browser) Text() string {
	root, err := html.Parse(bytes.NewReader(b.body))
	if err != nil {
		return ""
	}
	var text strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			text.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	return strings.Join(strings.Fields(text.String()), " ")
}

// Address is that of the open page.
func (b *Browser) Address() string { return b.page.String() }

// Open goes to an address.
func (b *Browser) Open(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("open %s: %w", address, err)
	}
	return b.do(req)
}

// Submit sends the form of the open page whose action holds part, with the given fields filled in.
func (b *Browser) Submit(ctx context.Context, part string, fill url.Values) error {
	form, err := b.form(part)
	if err != nil {
		return err
	}
	for name, values := range fill {
		form.values[name] = values
	}
	target, err := b.page.Parse(form.action)
	if err != nil {
		return fmt.Errorf("form %q: %w", form.action, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.values.Encode()))
	if err != nil {
		return fmt.Errorf("send form %q: %w", form.action, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.page.Scheme+"://"+b.page.Host)
	return b.do(req)
}

func (b *Browser) do(req *http.Request) error {
	req.Header.Set("Accept-Language", "fr")
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b.body, err = io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("read %s: %w", req.URL.Path, err)
	}
	b.page = resp.Request.URL
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s answered %s: %.300s", req.Method, req.URL.Path, resp.Status, b.Text())
	}
	return nil
}

type form struct {
	action string
	values url.Values
}

// form finds a form of the open page and the fields that are filled in already.
func (b *Browser) form(part string) (form, error) {
	root, err := html.Parse(bytes.NewReader(b.body))
	if err != nil {
		return form{}, fmt.Errorf("read the page: %w", err)
	}
	var found *html.Node
	var walk func(n *html.Node, do func(*html.Node))
	walk = func(n *html.Node, do func(*html.Node)) {
		do(n)
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, do)
		}
	}
	walk(root, func(n *html.Node) {
		if found == nil && n.Data == "form" && attr(n, "method") == "post" && strings.Contains(attr(n, "action"), part) {
			found = n
		}
	})
	if found == nil {
		return form{}, fmt.Errorf("the page %s has no form for %q: %.200s", b.page, part, b.Text())
	}
	f := form{action: attr(found, "action"), values: url.Values{}}
	walk(found, func(n *html.Node) {
		name := attr(n, "name")
		if n.Type != html.ElementNode || n.Data != "input" || name == "" {
			return
		}
		kind := attr(n, "type")
		ticked := slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "checked" })
		if kind != "submit" && (kind != "radio" && kind != "checkbox" || ticked) {
			f.values.Add(name, attr(n, "value"))
		}
	})
	return f, nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
