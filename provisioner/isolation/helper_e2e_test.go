//go:build e2e

package isolation

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test's own binary is also what runs in containers and network namespaces: as a server, and as whoever breaks out.

const forged = "192.0.2.99" // what an attacker says in X-Forwarded-For

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			serve(os.Args[2], os.Args[3:])
			return
		case "try":
			try(os.Args[2:])
			return
		case "rights":
			rights()
			return
		case "firewall": // as frama firewall serve FILE
			keep(os.Args[3])
			return
		case "variable":
			fmt.Print(askVariable(os.Args[2]))
			return
		}
	}
	os.Exit(m.Run())
}

// serve answers on tcp:ADDRESS and udp:ADDRESS with its name and with whom it saw, until it is ended.
func serve(name string, addresses []string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s saw %s for %s", name, host, r.Header.Get("X-Forwarded-For"))
	})
	for _, a := range addresses {
		protocol, address, _ := strings.Cut(a, ":")
		if protocol == "udp" {
			c, err := net.ListenPacket("udp", address)
			if err != nil {
				panic(err)
			}
			go func() {
				b := make([]byte, 100)
				for {
					if _, from, err := c.ReadFrom(b); err == nil {
						_, _ = c.WriteTo([]byte(name), from)
					}
				}
			}()
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			panic(err)
		}
		go func() { panic((&http.Server{Handler: handler, ReadHeaderTimeout: time.Second}).Serve(l)) }()
	}
	fmt.Println("ready")
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}

// try connects to each, all at once, and prints what came back: nothing where it is closed.
func try(addresses []string) {
	answers := map[string]string{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, a := range addresses {
		all.Go(func() {
			var answer string
			protocol, address, _ := strings.Cut(a, ":")
			if protocol == "udp" {
				answer = tryUDP(address)
			} else {
				answer = tryHTTP(address)
			}
			mu.Lock()
			answers[a] = answer
			mu.Unlock()
		})
	}
	all.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(answers)
}

func tryHTTP(address string) string {
	client := http.Client{Timeout: 2 * time.Second}
	r, err := http.NewRequest(http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return ""
	}
	r.Header.Set("X-Forwarded-For", forged)
	answer, err := client.Do(r)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

func tryUDP(address string) string {
	c, err := net.Dial("udp", address)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte("?"))
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// keep does what the command of frama does that the job starts.
func keep(file string) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	conf, err := Read(file)
	if err != nil {
		panic(err)
	}
	k, err := NewKeeper(conf, log)
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	_ = k.Run(ctx, time.Second)
}

// askVariable asks Nomad for the variable of a job, on the socket that every task has.
func askVariable(job string) string {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", "/secrets/api.sock")
	}}}
	answer, err := client.Get("http://nomad/v1/var/nomad/jobs/" + job + "?namespace=frama")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return fmt.Sprintf("%d %s", answer.StatusCode, text)
}

// rights prints what a process finds out about its own and tries beyond the network.
func rights() {
	status, _ := os.ReadFile("/proc/self/status")
	found := map[string]string{}
	for line := range strings.Lines(string(status)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			found[name] = strings.TrimSpace(value)
		}
	}
	_, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP)
	found["raw socket"] = fmt.Sprint(err)
	_, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	found["packet socket"] = fmt.Sprint(err)
	found["mount"] = fmt.Sprint(syscall.Mount("none", "/mnt", "tmpfs", 0, ""))
	found["unshare"] = fmt.Sprint(syscall.Unshare(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS))
	found["mknod"] = fmt.Sprint(syscall.Mknod("/dev/frama", syscall.S_IFBLK|0o600, 8<<8))
	found["setuid"] = fmt.Sprint(syscall.Setuid(1))
	for _, socket := range []string{"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"} {
		if _, err := os.Stat(socket); err == nil {
			found["socket"] += socket + " "
		}
	}
	programs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var others []string
	for _, p := range programs {
		if text, err := os.ReadFile(p); err == nil && !strings.Contains(string(text), "rights") {
			others = append(others, strings.ReplaceAll(strings.TrimRight(string(text), "\x00"), "\x00", " "))
		}
	}
	slices.Sort(others)
	found["processes"] = strings.Join(others, "; ")
	_ = json.NewEncoder(os.Stdout).Encode(found)
}
