//go:build e2e

package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"framagit.org/frama/frama/provisioner"
)

// node is an ingress node: an agent with a real HAProxy.
type node struct {
	t     testing.TB
	opts  AgentOptions
	board *board
	ca    *authority
	out   *lockedBuffer

	cancel context.CancelFunc
	ended  chan error
}

// newNode prepares a node; HAProxy outlives its agent, and ends with the test.
func newNode(t testing.TB, b *board) *node {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, board: b, ca: newAuthority(t), out: &lockedBuffer{}}
	n.opts = AgentOptions{
		Name: "edge-1", Server: b.server.URL, Token: testToken, PublicKey: b.public, Dir: dir,
		HTTP: freeAddress(t), HTTPS: freeAddress(t), Wait: 2 * time.Second, Retry: 20 * time.Millisecond,
		Check: 200 * time.Millisecond, Log: slog.New(slog.NewTextHandler(n.out, nil)),
	}
	t.Cleanup(func() {
		n.kill()
		if a, err := NewAgent(n.opts); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := a.haproxy.stop(ctx); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			t.Log(n.out.String())
			said, _ := os.ReadFile(filepath.Join(dir, "haproxy.log"))
			t.Logf("%s", said)
		}
		_ = os.RemoveAll(dir)
	})
	return n
}

// start runs an agent and waits for its HAProxy.
func (n *node) start() *Agent {
	n.t.Helper()
	a, err := NewAgent(n.opts)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel, n.ended = cancel, make(chan error, 1)
	go func() { n.ended <- a.Run(ctx) }()
	select {
	case <-a.Ready():
	case err := <-n.ended:
		n.ended <- err
		n.t.Fatalf("the agent ended: %v", err)
	case <-time.After(20 * time.Second):
		n.t.Fatal("HAProxy did not come up")
	}
	return a
}

// kill ends the agent; HAProxy stays unless the options say otherwise.
func (n *node) kill() {
	n.t.Helper()
	if n.cancel == nil {
		return
	}
	n.cancel()
	if err := <-n.ended; err != nil {
		n.t.Error(err)
	}
	n.cancel = nil
}

// client connects to the node whatever the host name, and trusts the test's authority. It follows no redirects.
func (n *node) client() *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext:       n.dial,
			TLSClientConfig:   &tls.Config{RootCAs: n.ca.pool},
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (n *node) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	to := n.opts.HTTP
	if strings.HasSuffix(addr, ":443") || strings.HasSuffix(addr, n.opts.HTTPS[strings.LastIndex(n.opts.HTTPS, ":"):]) {
		to = n.opts.HTTPS
	}
	var d net.Dialer
	return d.DialContext(ctx, network, to)
}

// get returns status, body and response of a URL.
func (n *node) get(c *http.Client, url string) (int, string, *http.Response) {
	n.t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		n.t.Fatalf("GET %s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatalf("GET %s: %v", url, err)
	}
	return resp.StatusCode, string(body), resp
}

// instance is an application: it says its name, shows the headers it got, and echoes WebSocket messages.
func instance(t testing.TB, name string) *httptest.Server {
	t.Helper()
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) })
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Host: %s\n", r.Host)
		_ = r.Header.Write(w)
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, m, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(kind, append([]byte(name+":"), m...)); err != nil {
				return
			}
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func active(host string, s *httptest.Server) provisioner.Route {
	return provisioner.Route{Host: host, Address: s.Listener.Addr().String(), State: provisioner.RouteActive}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func copyBody(w io.Writer, resp *http.Response) (int64, error) { return io.Copy(w, resp.Body) }
