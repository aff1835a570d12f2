package edge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

func (b *board) request(t testing.TB, method, path, token, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestPublisherLetsNobodyIn(t *testing.T) {
	b := newBoard(t)
	for _, token := range []string{"", "Bearer", "Bearer ", "Bearer wrong", testToken, "Basic " + testToken, "Bearer " + testToken + "x"} {
		for _, path := range []string{SnapshotPath, AckPath, "/"} {
			if resp := b.request(t, http.MethodGet, path, token, ""); resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%q at %s: %s", token, path, resp.Status)
			}
		}
	}
	if b.sources != 0 {
		t.Error("a snapshot was made for a stranger")
	}
}

func TestPublisherSigns(t *testing.T) {
	b := newBoard(t)
	resp := b.request(t, http.MethodGet, SnapshotPath, "Bearer "+testToken, "")
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %v %v", resp.Status, resp.Header, err)
	}
	if err := verify(b.public, body, resp.Header.Get(SignatureHeader)); err != nil {
		t.Error(err)
	}
	if err := verify(b.public, append(body, ' '), resp.Header.Get(SignatureHeader)); !errors.Is(err, ErrSignature) {
		t.Errorf("a changed body: %v", err)
	}
	var s provisioner.Snapshot
	if err := json.Unmarshal(body, &s); err != nil || s.Version != 1 || time.Since(s.MadeAt) > time.Minute {
		t.Errorf("%+v %v", s, err)
	}
}

func TestPublisherParameters(t *testing.T) {
	b := newBoard(t)
	for query, want := range map[string]int{
		"?after=x": 400, "?wait=x": 400, "?wait=-1": 400, "?wait=56": 400, "?after=1&wait=0": 204, "?after=0": 200,
		"?after=5": 200, // a lower version than the agent's: it decides
	} {
		if resp := b.request(t, http.MethodGet, SnapshotPath+query, "Bearer "+testToken, ""); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", query, resp.Status, want)
		}
	}
}

func TestLongPoll(t *testing.T) {
	b := newBoard(t)
	c := client{server: b.server.URL, token: testToken, http: http.DefaultClient}
	var wg sync.WaitGroup
	got := make(chan *signed, 20)
	began := time.Now()
	for range cap(got) {
		wg.Go(func() {
			held := &signed{snapshot: provisioner.Snapshot{Version: 1}}
			s, err := c.fetch(context.Background(), held, 10*time.Second)
			if err != nil || s == nil {
				t.Errorf("%v %v", s, err)
				return
			}
			got <- s
		})
	}
	time.Sleep(200 * time.Millisecond)
	b.mu.Lock()
	polls := b.polls
	b.mu.Unlock()
	if polls > 20+40 { // one look each, then one shared poller every 10 ms
		t.Errorf("the version was asked for %d times", polls)
	}
	b.change(func(*provisioner.Snapshot) {})
	wg.Wait()
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the change was told after %s", d)
	}
	if b.sources != 1 {
		t.Errorf("the snapshot was made %d times for one version", b.sources)
	}
	for range cap(got) {
		s := <-got
		if err := s.open(b.public); err != nil || s.snapshot.Version != 2 {
			t.Errorf("%d %v", s.snapshot.Version, err)
		}
	}
	time.Sleep(50 * time.Millisecond)
	b.mu.Lock()
	before := b.polls
	b.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.polls != before {
		t.Error("the version is polled with nobody waiting")
	}
}

func TestSameVersionOtherContent(t *testing.T) {
	b := newBoard(t)
	c := client{server: b.server.URL, token: testToken, http: http.DefaultClient}
	first, err := c.fetch(context.Background(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.open(b.public); err != nil {
		t.Fatal(err)
	}
	if again, err := c.fetch(context.Background(), first, 0); err != nil || again != nil {
		t.Errorf("the same again: %v %v", again, err)
	}
	// frama restarts on a restored database and happens to reach the same version with other content.
	b.mu.Lock()
	b.snap.Platform = "restored"
	b.mu.Unlock()
	restarted := httptest.NewServer(b.publisher(t, PublisherOptions{}))
	defer restarted.Close()
	c.server = restarted.URL
	got, err := c.fetch(context.Background(), first, 0)
	if err != nil || got == nil {
		t.Fatalf("the other content was not told: %v", err)
	}
	if err := got.open(b.public); err != nil || got.snapshot.Platform != "restored" {
		t.Errorf("%+v %v", got.snapshot, err)
	}
	if restored, err := follows(first, got); !restored || err != nil {
		t.Errorf("not followed: %v %v", restored, err)
	}
}

func TestPublisherClose(t *testing.T) {
	b := newBoard(t)
	go func() {
		time.Sleep(50 * time.Millisecond)
		b.pub.Close()
		b.pub.Close()
	}()
	began := time.Now()
	resp := b.request(t, http.MethodGet, SnapshotPath+"?after=1&wait=50", "Bearer "+testToken, "")
	if resp.StatusCode != http.StatusNoContent || time.Since(began) > 10*time.Second {
		t.Errorf("%s after %s", resp.Status, time.Since(began))
	}
}

func TestPublisherSourceFails(t *testing.T) {
	b := newBoard(t)
	b.fail = errors.New("database of secrets is locked")
	resp := b.request(t, http.MethodGet, SnapshotPath, "Bearer "+testToken, "")
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || strings.Contains(string(body), "secrets") {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestAck(t *testing.T) {
	b := newBoard(t)
	for body, want := range map[string]int{
		`{"agent":"edge-1","version":3,"error":"one\u001b[31m\nproblem"}`: 204,
		`{"agent":"edge 1","version":3}`:                                  400,
		`{"agent":"","version":3}`:                                        400,
		`{"agent":"` + strings.Repeat("a", 65) + `"}`:                     400,
		`not json`: 400,
		`{"agent":"a","error":"` + strings.Repeat("x", 70000) + `"}`: 400,
	} {
		if resp := b.request(t, http.MethodPost, AckPath, "Bearer "+testToken, body); resp.StatusCode != want {
			t.Errorf("%.60s: %s", body, resp.Status)
		}
	}
	if a := <-b.acks; a != (Ack{Agent: "edge-1", Version: 3, Error: "one [31m problem"}) || len(b.acks) > 0 {
		t.Errorf("recorded %+v", a)
	}
}

func TestNewPublisherRefuses(t *testing.T) {
	b := newBoard(t)
	good := b.pub.opts
	for name, spoil := range map[string]func(*PublisherOptions){
		"short token": func(o *PublisherOptions) { o.Token = "short" },
		"no key":      func(o *PublisherOptions) { o.Key = nil },
		"no source":   func(o *PublisherOptions) { o.Source = nil },
	} {
		o := good
		spoil(&o)
		if _, err := NewPublisher(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestKeysAsText(t *testing.T) {
	b := newBoard(t)
	got, err := ParsePublicKey(FormatPublicKey(b.public))
	if err != nil || !got.Equal(b.public) {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"", "%", "AAAA"} {
		if _, err := ParsePublicKey(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
