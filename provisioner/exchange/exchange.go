// Package exchange talks to an instance over HTTP as its manifest says: requests with placeholders, what their answers
// must hold, and what is taken out of them for later. Trials check applications with it, and the setup of fresh instances
// is done with it.
//
// An answer is never trusted: it has a time limit and a size limit, redirects are not followed, and what an error shows of
// it is short and free of the instance's secrets.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
)

// Limits of one exchange.
const (
	usualTimeout = 30 * time.Second
	usualLimit   = 4 << 20 // bytes of an answer's body
	shown        = 200     // characters of an answer that an error shows
	longest      = 1000    // characters of an error: addresses and the client's own words may hold what an answer said
)

// Exchange is a conversation with one instance. What an answer's captures give stays known, so that a reading finds what
// the writing before it took.
type Exchange struct {
	Client *http.Client // reaches the instance and trusts its certificate; its cookies and redirects are not used
	URL    string       // of the instance, without a slash at the end

	// Values of placeholders. {url} and {host} come from URL. Those of Secrets never show in an error.
	Values, Secrets map[string]string

	Timeout time.Duration // of one request; 30 s when zero
	Limit   int64         // bytes of an answer's body; 4 MiB when zero

	captured map[string]string
}

// ErrNoAnswer says that the instance gave no whole answer: it may be starting, so that trying again can help.
var ErrNoAnswer = errors.New("no answer")

// Run makes the requests in order, with one jar of cookies for each account of basic authentication, and stops at the first
// that is not answered as it says: an application would take the cookies of one account for its word against the other. The
// error names the request, what was expected and what came.
func (e *Exchange) Run(ctx context.Context, requests []catalogue.Request) error {
	client := e.client()
	jars := map[string]*cookiejar.Jar{}
	for n, q := range requests {
		if jars[q.User] == nil {
			jar, err := cookiejar.New(nil)
			if err != nil {
				return fmt.Errorf("cookies: %w", err)
			}
			jars[q.User] = jar
		}
		client.Jar = jars[q.User]
		if err := e.one(ctx, client, q); err != nil {
			name := q.Name
			if name == "" {
				name = fmt.Sprintf("number %d", n+1)
			}
			return e.masked(fmt.Errorf("request %s: %w", name, err))
		}
	}
	return nil
}

// Captured returns what the answers so far gave, by name.
func (e *Exchange) Captured() map[string]string { return maps.Clone(e.captured) }

func (e *Exchange) one(ctx context.Context, client *http.Client, q catalogue.Request) error {
	_, err := e.answer(ctx, client, q)
	return err
}

// answer makes one request and judges the answer.
func (e *Exchange) answer(ctx context.Context, client *http.Client, q catalogue.Request) (Answer, error) {
	timeout := e.Timeout
	if timeout == 0 {
		timeout = usualTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := e.request(ctx, q)
	if err != nil {
		return Answer{}, err
	}
	what := req.Method + " " + req.URL.RequestURI()
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, &silence{fmt.Errorf("%s: %w", what, late(ctx, err, timeout))}
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type")}
	if a.Body, err = e.body(resp); err != nil {
		return a, fmt.Errorf("%s: answered %d %s, and then: %w", what, resp.StatusCode, http.StatusText(resp.StatusCode), late(ctx, err, timeout))
	}
	if problem := e.judge(q, resp, a.Body); problem != "" {
		return a, fmt.Errorf("%s: %s%s", what, problem, e.excerpt(a.Body))
	}
	return a, nil
}

// late words the end of a time limit.
func late(ctx context.Context, err error, timeout time.Duration) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("no whole answer within %s", timeout)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err // without the address, which what says already
	}
	return err
}

// silence marks an error as ErrNoAnswer.
type silence struct{ error }

func (s *silence) Unwrap() []error { return []error{s.error, ErrNoAnswer} }

// request makes a request of what the manifest says.
func (e *Exchange) request(ctx context.Context, q catalogue.Request) (*http.Request, error) {
	address, err := e.address(q.Path)
	if err != nil {
		return nil, err
	}
	body := e.fill(q.Body, bodyForm(q.ContentType))
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if q.ContentType != "" {
		req.Header.Set("Content-Type", q.ContentType)
	}
	for name, value := range q.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = e.fill(value, plain)
			continue
		}
		req.Header.Set(name, e.fill(value, plain))
	}
	if q.User != "" || q.Password != "" {
		req.SetBasicAuth(e.fill(q.User, plain), e.fill(q.Password, plain))
	}
	return req, nil
}

// body reads an answer up to the limit.
func (e *Exchange) body(resp *http.Response) ([]byte, error) {
	limit := e.Limit
	if limit == 0 {
		limit = usualLimit
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("its body has more than %d bytes: ask for a smaller page", limit)
	}
	return body, nil
}

// judge says what is wrong with an answer, or "", and takes out of it what later requests need.
func (e *Exchange) judge(q catalogue.Request, resp *http.Response, body []byte) string {
	wanted := q.Status
	if wanted == 0 {
		wanted = http.StatusOK
	}
	if resp.StatusCode != wanted {
		came := fmt.Sprintf("answered %d", resp.StatusCode)
		if to := resp.Header.Get("Location"); to != "" {
			came += " (to " + clip(e.mask(to), shown) + ")"
		}
		return fmt.Sprintf("%s instead of %d", came, wanted)
	}
	if text := e.fill(q.Contains, plain); !strings.Contains(string(body), text) {
		return fmt.Sprintf("the answer does not hold %q", text)
	}
	if text := e.fill(q.Lacks, plain); text != "" && strings.Contains(string(body), text) {
		return fmt.Sprintf("the answer holds %q, which it must not", text)
	}
	return e.capture(q.Captures, resp.Header.Get("Content-Type"), body)
}
