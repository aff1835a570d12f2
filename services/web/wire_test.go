package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What is refused before the routes is seen only on a real connection.
func TestRefusalsOnTheWire(t *testing.T) {
	b := setup(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() { _ = b.app.Listener(listener) }()
	t.Cleanup(func() { _ = b.app.Shutdown() })

	for _, c := range []struct {
		name, request string
		status        int
		text          string
	}{
		{"a body of a gigabyte", "POST /request HTTP/1.1\r\nHost: x\r\nContent-Type: " + formType + "\r\nContent-Length: 1073741824\r\n\r\nslug=", 413, "dépasse 256"},
		{"a body just over the limit", fmt.Sprintf("POST /request HTTP/1.1\r\nHost: x\r\nAccept-Language: en\r\nContent-Length: %d\r\n\r\n", 256<<10+1), 413, "over 256"},
		{"headers of 20 kB", "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", 431, ""},
		{"no HTTP at all", "\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			connection, err := net.Dial("tcp", listener.Addr().String())
			must(t, err)
			defer connection.Close()
			must(t, connection.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(connection, c.request)
			must(t, err)
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			must(t, err)
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.status || !strings.Contains(string(body), c.text) || !strings.Contains(string(body), "<h1>") {
				t.Errorf("status %d, want %d: %s", response.StatusCode, c.status, main(string(body)))
			}
			if !strings.HasPrefix(response.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Error("the page of the error has no security headers")
			}
		})
	}
	if b.rows("request") != 0 {
		t.Error("something was written")
	}
}
