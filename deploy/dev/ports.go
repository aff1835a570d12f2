package dev

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Port is a TCP port on 127.0.0.1 and the option with which people choose another, for messages.
type Port struct {
	Number int
	Option string // e.g. "--nomad-port"
}

// Address is 127.0.0.1:<number>.
func (p Port) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Number)) }

// Check tells whether the port can be had. If not, the error names the port, who holds it where that can be found,
// and the option.
func (p Port) Check() error {
	l, err := net.Listen("tcp", p.Address())
	switch {
	case err == nil:
		return l.Close()
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %d needs root: run as root%s", p.Number, p.instead())
	case !errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d: %w", p.Number, err)
	}
	holder := "another program"
	if name := holderOf(p.Number); name != "" {
		holder = name
	}
	return fmt.Errorf("port %d is taken by %s: stop it%s", p.Number, holder, p.instead())
}

// orLoopback is the address, or 127.0.0.1.
func orLoopback(address string) string {
	if address == "" {
		return "127.0.0.1"
	}
	return address
}

// listenOn lists 127.0.0.1 and the address, if there is another.
func listenOn(address, separator string) string {
	if address == "" || address == "127.0.0.1" {
		return "127.0.0.1"
	}
	return "127.0.0.1" + separator + address
}

func (p Port) instead() string {
	if p.Option == "" {
		return ""
	}
	return ", or choose another port with " + p.Option
}

// FreePort returns a port of 127.0.0.1 that is free now.
func FreePort() (int, error) {
	ports, err := FreePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

// FreePorts are looked for where nothing else picks ports by itself: below the kernel's range for outgoing connections,
// which under load takes a port between the look and the use, and above Nomad's own range here.
const (
	freeMin = 21000
	freeMax = 32000
)

// handedOut are the ports that this process was given before. The parts of a platform start at once, and one that was
// given a port listens on it only a moment later: until then it looks free to the others.
var handedOut sync.Map

// FreePorts returns n ports of 127.0.0.1 that are free now, all different, and different from those of earlier calls. They are
// drawn by chance, so that two processes that look at the same time hardly ever find the same.
func FreePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		if len(ports) == n {
			return ports, nil
		}
		port := freeMin + rand.IntN(freeMax-freeMin)
		if _, before := handedOut.LoadOrStore(port, true); before {
			continue
		}
		l, err := net.Listen("tcp", Port{Number: port}.Address())
		if err != nil {
			continue
		}
		defer l.Close() // only at the end, so that no port comes twice
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("find %d free ports between %d and %d", n, freeMin, freeMax)
}

// holderOf names the process that listens on the port: "nginx (process 123)"; empty when it cannot be found, for
// instance because it belongs to somebody else.
func holderOf(port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			fields := strings.Fields(s.Text())
			if len(fields) < 10 || fields[3] != "0A" { // listening
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			if n, err := strconv.ParseInt(hex, 16, 32); err == nil && int(n) == port {
				inodes["socket:["+fields[9]+"]"] = true
			}
		}
		f.Close()
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && inodes[target] {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}
