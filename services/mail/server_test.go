package mail_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// smtpServer is a real SMTP server on loopback, which misbehaves as a test asks.
type smtpServer struct {
	t        *testing.T
	listener net.Listener
	cert     tls.Certificate
	roots    *x509.CertPool
	behaviour

	mu       sync.Mutex
	taken    []taken
	sessions int
	conns    map[net.Conn]bool
	wait     sync.WaitGroup
}

// behaviour is what a server does beside taking every mail.
type behaviour struct {
	implicitTLS bool
	noSTARTTLS  bool
	password    string // for the user "frama"; empty: AUTH is not offered
	plainAUTH   bool   // offers AUTH without TLS too
	loginOnly   bool   // offers AUTH LOGIN only
	greeting    string // 220 when empty
	// reply answers a command ("MAIL FROM:<a@b>", "DATA", "." for the end of a mail) instead of the usual; empty: as
	// usual; "hang": not at all; "close": by closing; "take and close": for ".", 250 and then close.
	reply func(session int, command string) string
}

// taken is a mail the server took.
type taken struct {
	from, to, text string
	session        int
	encrypted      bool
	user           string
}

func startServer(t *testing.T, b behaviour) *smtpServer {
	return startServerAt(t, "127.0.0.1:0", b)
}

func startServerAt(t *testing.T, address string, b behaviour) *smtpServer {
	t.Helper()
	s := &smtpServer{t: t, behaviour: b, conns: map[net.Conn]bool{}}
	s.cert, s.roots = certificate(t)
	var err error
	if s.listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	s.wait.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *smtpServer) stop() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

func (s *smtpServer) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *smtpServer) mails() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]taken(nil), s.taken...)
}

func (s *smtpServer) sessionCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

func (s *smtpServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.sessions++
		n := s.sessions
		s.conns[conn] = true
		s.mu.Unlock()
		s.wait.Go(func() {
			defer conn.Close()
			s.serve(conn, n)
		})
	}
}

func (s *smtpServer) serve(raw net.Conn, session int) {
	conn, encrypted, user := raw, false, ""
	var config = &tls.Config{Certificates: []tls.Certificate{s.cert}}
	if s.implicitTLS {
		conn, encrypted = tls.Server(raw, config), true
	}
	text := textproto.NewConn(conn)
	say := func(line string) { _ = text.PrintfLine("%s", line) }
	say(or(s.greeting, "220 test ESMTP"))
	var from, to string
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		if s.reply != nil {
			switch answer := s.reply(session, line); answer {
			case "":
			case "hang":
				_, _ = bufio.NewReader(conn).ReadByte()
				return
			case "close":
				return
			default:
				say(answer)
				continue
			}
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-test greets " + rest)
			if !encrypted && !s.noSTARTTLS {
				say("250-STARTTLS")
			}
			if s.password != "" && (encrypted || s.plainAUTH) {
				say("250-AUTH " + map[bool]string{false: "PLAIN LOGIN", true: "LOGIN"}[s.loginOnly])
			}
			say("250-SMTPUTF8")
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			conn, encrypted = tls.Server(raw, config), true
			text = textproto.NewConn(conn)
		case "AUTH":
			if user = s.signIn(text, rest); user == "" {
				say("535 5.7.8 wrong user name or password")
				continue
			}
			say("235 welcome")
		case "MAIL":
			if s.password != "" && user == "" {
				say("530 5.7.0 authentication required")
				continue
			}
			from = line
			say("250 ok")
		case "RCPT":
			to = line
			say("250 ok")
		case "DATA":
			say("354 go on")
			body, err := text.ReadDotBytes()
			if err != nil {
				return
			}
			answer := ""
			if s.reply != nil {
				answer = s.reply(session, ".")
			}
			switch answer {
			case "hang":
				_, _ = bufio.NewReader(conn).ReadByte()
				return
			case "close":
				return
			case "", "take and close":
				s.mu.Lock()
				s.taken = append(s.taken, taken{from, to, string(body), session, encrypted, user})
				s.mu.Unlock()
				say("250 taken")
				if answer != "" {
					return
				}
			default:
				say(answer)
			}
		case "RSET", "NOOP":
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

// signIn knows AUTH PLAIN with an initial response, and AUTH LOGIN.
func (s *smtpServer) signIn(text *textproto.Conn, rest string) string {
	decode := func(t string) string { b, _ := base64.StdEncoding.DecodeString(t); return string(b) }
	var user, password string
	switch mechanism, initial, _ := strings.Cut(rest, " "); mechanism {
	case "PLAIN":
		parts := strings.Split(decode(initial), "\x00")
		if len(parts) != 3 {
			return ""
		}
		user, password = parts[1], parts[2]
	case "LOGIN":
		for _, ask := range []struct {
			prompt string
			into   *string
		}{{"Username:", &user}, {"Password:", &password}} {
			_ = text.PrintfLine("334 %s", base64.StdEncoding.EncodeToString([]byte(ask.prompt)))
			line, err := text.ReadLine()
			if err != nil {
				return ""
			}
			*ask.into = decode(line)
		}
	}
	if user != "frama" || password != s.password {
		return ""
	}
	return user
}

// certificate makes a certificate for 127.0.0.1 that certifies itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
