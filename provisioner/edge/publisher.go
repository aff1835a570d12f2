package edge

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// PublisherOptions is what a Publisher needs. All fields but Log, Now and Every are required.
type PublisherOptions struct {
	// Source makes the current snapshot. It is called once per version, not once per agent.
	Source func(ctx context.Context) (provisioner.Snapshot, error)
	// Version is the current version of the snapshot. It is polled while agents wait and must be cheap.
	Version func(ctx context.Context) (int64, error)
	// Ack records what an agent did with a version; problem is empty when all of it is in place.
	Ack func(ctx context.Context, agent string, version int64, problem string) error
	// Key signs the snapshots.
	Key ed25519.PrivateKey
	// Token is the bearer token agents present, at least 16 characters.
	Token string

	Now   func() time.Time // time.Now if nil
	Every time.Duration    // between two calls of Version while agents wait; 250 ms if 0
	Log   *slog.Logger     // slog.Default() if nil
}

// Publisher serves the snapshot to edge agents. It is an http.Handler for a listener of its own.
type Publisher struct {
	opts  PublisherOptions
	token [sha256.Size]byte
	watch *watcher
	mux   *http.ServeMux

	mu    sync.Mutex // guards the cached body, and makes concurrent agents wait for one Source call
	ready *published
}

// published is a snapshot as it goes over the wire.
type published struct {
	version   int64
	etag      string // of the content without the time it was made
	body      []byte
	signature string
}

// NewPublisher checks the options.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	switch {
	case o.Source == nil || o.Version == nil || o.Ack == nil:
		return nil, errors.New("edge publisher: Source, Version and Ack are required")
	case len(o.Key) != ed25519.PrivateKeySize:
		return nil, errors.New("edge publisher: the signing key is missing or is not an ed25519 key")
	case len(o.Token) < 16:
		return nil, errors.New("edge publisher: the token agents present must have at least 16 characters")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every <= 0 {
		o.Every = 250 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	p := &Publisher{opts: o, token: sha256.Sum256([]byte(o.Token)), watch: newWatcher(o.Version, o.Every)}
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("GET "+SnapshotPath, p.snapshot)
	p.mux.HandleFunc("POST "+AckPath, p.ack)
	return p, nil
}

// Close answers all waiting polls, so that the server which mounts the Publisher can shut down at once: register it with
// http.Server.RegisterOnShutdown.
func (p *Publisher) Close() { p.watch.close() }

// ServeHTTP lets in whoever presents the token.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(given)) // equal lengths, so that the comparison tells nothing
	if subtle.ConstantTimeCompare(sum[:], p.token[:]) != 1 || !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="frama edge"`)
		http.Error(w, "unknown token: give this edge the token that frama was configured with", http.StatusUnauthorized)
		return
	}
	p.mux.ServeHTTP(w, r)
}

// snapshot answers at once when the agent holds another version, or other content under the same version; else it waits.
// A version lower than the agent's is sent too: after a restore from a backup it is the agent that decides.
func (p *Publisher) snapshot(w http.ResponseWriter, r *http.Request) {
	after, wait, err := pollParams(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// The listener's write timeout is meant for short answers.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + 2*time.Minute))
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	held := r.Header.Get("If-None-Match")
	for {
		version, changed, err := p.watch.current(r.Context())
		if err != nil {
			p.unavailable(w, "read the version", err)
			return
		}
		if version != after || held != "" {
			pub, err := p.current(r.Context(), version)
			if err != nil {
				p.unavailable(w, "make the snapshot", err)
				return
			}
			if pub.version != after || (held != "" && pub.etag != held) {
				p.send(w, pub)
				return
			}
		}
		if !p.watch.wait(ctx, changed) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
}

func pollParams(r *http.Request) (after int64, wait time.Duration, err error) {
	q := r.URL.Query()
	if s := q.Get("after"); s != "" {
		if after, err = strconv.ParseInt(s, 10, 64); err != nil {
			return 0, 0, errors.New("after must be a version number")
		}
	}
	if s := q.Get("wait"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > int(maxWait/time.Second) {
			return 0, 0, fmt.Errorf("wait must be 0 to %d seconds", int(maxWait/time.Second))
		}
		wait = time.Duration(n) * time.Second
	}
	return after, wait, nil
}

// current returns the signed snapshot of this version, made at most once.
func (p *Publisher) current(ctx context.Context, version int64) (*published, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready != nil && p.ready.version == version {
		return p.ready, nil
	}
	snap, err := p.opts.Source(ctx)
	if err != nil {
		return nil, err
	}
	snap.MadeAt = time.Time{}
	content, err := json.Marshal(snap)
	if err != nil {
		return nil, fmt.Errorf("encode the snapshot: %w", err)
	}
	sum := sha256.Sum256(content)
	snap.MadeAt = p.opts.Now().UTC()
	body, err := json.Marshal(snap)
	if err != nil {
		return nil, fmt.Errorf("encode the snapshot: %w", err)
	}
	p.ready = &published{
		version:   snap.Version,
		etag:      `"` + hex.EncodeToString(sum[:16]) + `"`,
		body:      body,
		signature: base64.StdEncoding.EncodeToString(ed25519.Sign(p.opts.Key, body)),
	}
	return p.ready, nil
}

func (p *Publisher) send(w http.ResponseWriter, pub *published) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(pub.body)))
	h.Set("ETag", pub.etag)
	h.Set(SignatureHeader, pub.signature)
	_, _ = w.Write(pub.body) // an agent that went away asks again
}

func (p *Publisher) unavailable(w http.ResponseWriter, doing string, err error) {
	p.opts.Log.Error("edge publisher: cannot "+doing, "error", err)
	w.Header().Set("Retry-After", "5")
	http.Error(w, "frama cannot "+doing+" now: its log says why", http.StatusServiceUnavailable)
}

// ack records what an agent did.
func (p *Publisher) ack(w http.ResponseWriter, r *http.Request) {
	var a Ack
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&a); err != nil {
		http.Error(w, "the acknowledgement must be JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	if !agentName.MatchString(a.Agent) {
		http.Error(w, "agent must be 1 to 64 letters, digits, dots, dashes or underscores", http.StatusBadRequest)
		return
	}
	if err := p.opts.Ack(r.Context(), a.Agent, a.Version, printable(a.Error, maxProblem)); err != nil {
		p.unavailable(w, "record the acknowledgement", err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
