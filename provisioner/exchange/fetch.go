package exchange

import (
	"context"
	"fmt"
	"net/http"

	"framagit.org/frama/frama/catalogue"
)

// Answer is what an instance said to one request.
type Answer struct {
	Status int // 0 when there was no answer
	Type   string
	Body   []byte
}

// Fetch makes one request, without cookies, for what its answer holds. The error is as that of Run; the answer's status is
// known then too, where there was one.
func (e *Exchange) Fetch(ctx context.Context, q catalogue.Request) (Answer, error) {
	a, err := e.answer(ctx, e.client(), q)
	if err != nil {
		return Answer{Status: a.Status}, e.masked(fmt.Errorf("request %s: %w", q.Name, err))
	}
	return a, nil
}

// client follows no redirects and keeps no cookies.
func (e *Exchange) client() *http.Client {
	client := *e.Client
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
