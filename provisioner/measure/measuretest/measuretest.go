// Package measuretest has instances on loopback that answer as applications do, and such that misbehave in every way
// somebody thought of, for tests of what measures them.
package measuretest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Path is what an instance is asked for, and Field where the number is in its answer: 7 × n + 3 for the n-th.
const (
	Path  = "/api/1.2.14/getStats?apikey={api_key}"
	Field = "data.totalPads"
)

// Number is what the n-th instance counts, when it is honest.
func Number(n int) int64 { return 7*int64(n) + 3 }

// Misbehaviour is a way not to answer as one should.
type Misbehaviour struct {
	Name  string
	Words string // that the problem holds
	Slow  bool   // it takes all of the time limit

	answer http.HandlerFunc // or, below HTTP:
	raw    func(c net.Conn)
}

// Misbehaviours lists them.
func Misbehaviours() []Misbehaviour {
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	return []Misbehaviour{
		{Name: "hangs", Words: "no whole answer within", Slow: true, raw: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		{Name: "drips", Words: "no whole answer within", Slow: true, raw: drip("HTTP/1.1 200 OK\r\n\r\n", " ", 20*time.Millisecond)},
		{Name: "drips headers", Words: "no whole answer within", Slow: true, raw: drip("HTTP/1.1 200 OK\r\nX-A: ", "a", 20*time.Millisecond)},
		{Name: "promises more than it sends", Words: "no whole answer within", Slow: true,
			raw: drip("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":", "", time.Hour)},
		{Name: "never ends", Words: "more than 1048576 bytes", raw: drip("HTTP/1.1 200 OK\r\n\r\n[", strings.Repeat("[0],", 8000), 0)},
		{Name: "never ends its headers", Words: "no answer at", raw: drip("HTTP/1.1 200 OK\r\n", "X-Filler: "+strings.Repeat("x", 8000)+"\r\n", 0)},
		{Name: "goes on with 100 Continue", Words: "no answer at", raw: drip("", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100), 0)},
		{Name: "sends 8 MiB", Words: "more than 1048576 bytes", answer: body(`{"data":"` + strings.Repeat("a", 8<<20) + `"}`)},
		{Name: "sends a compressed bomb", Words: "is no JSON", answer: bomb()},
		{Name: "resets", Words: "no answer at", raw: func(c net.Conn) { reset(c, "") }},
		{Name: "resets half way", Words: "broke off", raw: func(c net.Conn) {
			reset(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":{\"totalPads\":5")
		}},
		{Name: "hangs up", Words: "no answer at", raw: func(net.Conn) {}},
		{Name: "speaks no HTTP", Words: "no answer at", raw: drip("220 mail.example ESMTP\r\n", "", 0)},
		{Name: "speaks TLS", Words: "no answer at", raw: startTLS},
		{Name: "sends elsewhere, in a circle", Words: "sends elsewhere", answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
		}},
		{Name: "asks who it is", Words: "answered 403", answer: status(http.StatusForbidden, "who are you?")},
		{Name: "knows no such page", Words: "answered 404", answer: http.NotFound},
		{Name: "fails, and shows the key", Words: "•••", answer: func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "Traceback: key "+r.URL.Query().Get("apikey")+" of a user", http.StatusInternalServerError)
		}},
		{Name: "fails without a word", Words: "answered 503", answer: status(http.StatusServiceUnavailable, "")},
		{Name: "shows a page", Words: "HTML", answer: body("\n<!DOCTYPE html>\n<title>Pads</title>")},
		{Name: "says nothing", Words: "no whole JSON", answer: body("")},
		{Name: "writes bad JSON", Words: "no JSON", answer: body(`{"data":{"totalPads":5,}}`)},
		{Name: "ends in the middle", Words: "no whole JSON", answer: body(`{"data":{"totalPads":5`)},
		{Name: "says it twice", Words: "twice", answer: body(`{"data":{"totalPads":5,"totalPads":6}}`)},
		{Name: "has another field", Words: `no "totalPads"`, answer: body(`{"data":{"pads":5}}`)},
		{Name: "gives an object", Words: "an object", answer: body(`{"data":{"totalPads":{"n":5}}}`)},
		{Name: "gives null", Words: "null", answer: body(`{"data":{"totalPads":null}}`)},
		{Name: "gives words", Words: "several words", answer: body(`{"data":{"totalPads":"5 of 7"}}`)},
		{Name: "counts less than nothing", Words: "less than nothing", answer: body(`{"data":{"totalPads":-5}}`)},
		{Name: "counts too much", Words: "more than there can be", answer: body(`{"data":{"totalPads":1e30}}`)},
		{Name: "counts half", Words: "a fraction", answer: body(`{"data":{"totalPads":2.5}}`)},
		{Name: "counts NaN", Words: "no amount", answer: body(`{"data":{"totalPads":"NaN"}}`)},
		{Name: "nests without end", Words: "deep", answer: body(`{"x":` + strings.Repeat("[", 1<<19))},
		{Name: "is not there", Words: "no answer at"},
	}
}

// Farm is a place where instances are: each has an address of its own on loopback.
type Farm struct {
	honest string
	ports  map[string]string
	close  []func()

	mu    sync.Mutex
	conns map[net.Conn]bool
	over  bool
}

// Open starts the servers of honest instances, which take the time to answer, and of all that misbehave.
func Open(t testing.TB, takes time.Duration) *Farm {
	t.Helper()
	f := &Farm{ports: map[string]string{}, conns: map[net.Conn]bool{}}
	t.Cleanup(f.shut)
	f.honest = f.serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r, takes) })
	for _, m := range Misbehaviours() {
		switch {
		case m.answer != nil:
			f.ports[m.Name] = f.serve(t, m.answer)
		case m.raw != nil:
			f.ports[m.Name] = f.listen(t, m.raw)
		default:
			l := anywhere(t)
			_, f.ports[m.Name], _ = net.SplitHostPort(l.Addr().String())
			l.Close()
		}
	}
	return f
}

// Honest is the address of the n-th instance when it is honest.
func (f *Farm) Honest(n int) string { return net.JoinHostPort(loopback(n), f.honest) }

// Rogue is its address when it misbehaves.
func (f *Farm) Rogue(n int, m Misbehaviour) string {
	return net.JoinHostPort(loopback(n), f.ports[m.Name])
}

// loopback is the n-th address of 127/8.
func loopback(n int) string { return net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n)).String() }

func answer(w http.ResponseWriter, r *http.Request, takes time.Duration) {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	host, _, _ := net.SplitHostPort(at.String())
	ip := net.ParseIP(host).To4()
	n := int(ip[1]-1)<<16 + int(ip[2])<<8 + int(ip[3])
	time.Sleep(takes)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"code":0,"message":"ok","data":{"totalPads":%d,"totalSessions":%d,"totalActivePads":0}}`, Number(n), n%5)
}

func anywhere(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (f *Farm) serve(t testing.TB, h http.HandlerFunc) (port string) {
	t.Helper()
	l := anywhere(t)
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }()
	f.close = append(f.close, func() { _ = s.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// listen runs raw on each connection once its request was read.
func (f *Farm) listen(t testing.TB, raw func(net.Conn)) (port string) {
	t.Helper()
	l := anywhere(t)
	f.close = append(f.close, func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !f.keep(c) {
				continue
			}
			go func() {
				defer f.drop(c)
				_, _ = c.Read(make([]byte, 4096))
				raw(c)
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func (f *Farm) keep(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		_ = c.Close()
		return false
	}
	f.conns[c] = true
	return true
}

func (f *Farm) drop(c net.Conn) {
	_ = c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

func (f *Farm) shut() {
	for _, c := range f.close {
		c()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for c := range f.conns {
		_ = c.Close()
	}
}

// drip writes a beginning and then the same again and again.
func drip(begin, again string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.WriteString(c, begin); err != nil {
			return
		}
		for again != "" || pause > 0 {
			if pause == time.Hour { // nothing more comes until the other side goes
				_, _ = io.Copy(io.Discard, c)
				return
			}
			time.Sleep(pause)
			if _, err := io.WriteString(c, again); err != nil {
				return
			}
		}
	}
}

func reset(c net.Conn, begin string) {
	_, _ = io.WriteString(c, begin)
	if tcp, ok := c.(*net.TCPConn); ok {
		time.Sleep(10 * time.Millisecond) // so that the beginning arrives
		_ = tcp.SetLinger(0)
	}
}

// startTLS answers as a TLS server does to whoever speaks plainly.
func startTLS(c net.Conn) {
	_, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 10}) // a fatal alert: unexpected message
}

func status(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// bomb is 2 KiB that would be 2 MiB.
func bomb() http.HandlerFunc {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, strings.Repeat(" ", 2<<20))
	_ = z.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
}
